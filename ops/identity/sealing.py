"""Encryption of identity's data at rest, for subcommands, under the same keys as the running service."""

from identity_rules.custom_fields import NO_FIELDS, USER_FIELDS, UserFields
from ops.keys.pair_keys import seal_keys
from ops.settings import OpsSettings
from ops.stack.data_folder import former_secrets, secret
from runtime.sealing import Sealer
from runtime.settings import SealKeys, SealKeysField, from_env


class SealingSettings(OpsSettings):
    """Settings of subcommands that read or write encrypted data."""

    seal_keys: SealKeysField | None = from_env(
        "TRIVET_SEAL_KEYS", default=None, description="Identity's keys, if they are not derived from TRIVET_SECRET."
    )
    user_fields: UserFields = from_env("TRIVET_USER_FIELDS", default=NO_FIELDS, description=USER_FIELDS)


def sealer(settings: SealingSettings) -> Sealer:
    """Return the sealer that the identity service uses."""
    if settings.seal_keys is not None:
        return Sealer(settings.seal_keys)
    made = seal_keys([secret(settings), *former_secrets(settings)], "identity")
    return Sealer(SealKeys(bytes.fromhex(key) for key in made.split(",")))
