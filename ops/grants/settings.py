"""The settings of `trivet db grants`: the stores, and passwords that the operator chooses."""

import re

from pydantic import SecretStr, field_validator

from ops.settings import StoreUrlSettings
from runtime.settings import from_env

ROLES = ("identity", "migrator", "backup", "notifications", "cache")
PASSWORD = re.compile(r"[A-Za-z0-9.~!#^*()+=:,/@_-]{16,128}")


def _password(variable: str, user: str) -> SecretStr:
    found: SecretStr = from_env(
        variable,
        default=SecretStr(""),
        description=f"The {user} user's password for `trivet db grants`. Unset: it makes one and shows it once.",
    )
    return found


class GrantsSettings(StoreUrlSettings):
    """The passwords of the users that `trivet db grants` makes, and the stores beside the database."""

    identity_password: SecretStr = _password("TRIVET_GRANTS_IDENTITY_PASSWORD", "identity")
    migrator_password: SecretStr = _password("TRIVET_GRANTS_MIGRATOR_PASSWORD", "migrator")
    backup_password: SecretStr = _password("TRIVET_GRANTS_BACKUP_PASSWORD", "backup")
    notifications_password: SecretStr = _password("TRIVET_GRANTS_NOTIFICATIONS_PASSWORD", "notifications")
    cache_password: SecretStr = _password("TRIVET_GRANTS_CACHE_PASSWORD", "cache")
    redis_host: str = from_env(
        "REDIS_HOST", default="127.0.0.1", description="The host of Redis. Used only if REDIS_URL is unset."
    )
    redis_port: int = from_env(
        "REDIS_PORT", default=6379, ge=1, le=65535, description="The port of Redis. Used only if REDIS_URL is unset."
    )

    @field_validator(*(f"{role}_password" for role in ROLES))
    @classmethod
    def _needs_no_quoting(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not PASSWORD.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must be 16 to 128 letters, digits and .~!#^*()+=:,/@_- : make one with `openssl rand -hex 24`"
            )
        return value

    @property
    def passwords(self) -> dict[str, str]:
        """The passwords that the operator chose, by role."""
        found = {role: getattr(self, f"{role}_password").get_secret_value() for role in ROLES}
        return {role: password for role, password in found.items() if password}

    @property
    def redis_address(self) -> str:
        return self.redis_url.get_secret_value() or f"redis://{self.redis_host}:{self.redis_port}/0"
