"""Types of settings: addresses, lists of words, secrets and keys. The text of a secret or key is never shown."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from trivet.client.actor import decode_all_pair_keys, decode_pair_keys

MIN_SECRET_LENGTH = 32
SEAL_KEY_LENGTH = 32
ADDRESS = re.compile(r"(?:(?:dns|ipv4|ipv6|unix):.+)|(?:[^\s:/@]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def from_env(name: str, *aliases: str, **field: Any) -> Any:
    """Return a field read from the environment variable `name`; Trivet's own names begin with TRIVET_."""
    return Field(validation_alias=AliasChoices(name, *aliases), **field)


class Keys(dict[str, bytes]):
    """Pair keys. Their text representation has no key."""

    def __repr__(self) -> str:
        return f"<keys for {', '.join(sorted(self)) or 'no service'}>"


PairKeysField = Annotated[
    Keys, NoDecode, BeforeValidator(lambda value: Keys(decode_pair_keys(value)) if isinstance(value, str) else value)
]


class FormerKeys(tuple[tuple[str, bytes], ...]):
    """Pair keys of former secrets, with the name of their peer. Their text representation has no key."""

    def __repr__(self) -> str:
        return f"<{len(self)} former keys>"


FormerKeysField = Annotated[
    FormerKeys,
    NoDecode,
    BeforeValidator(lambda value: FormerKeys(decode_all_pair_keys(value)) if isinstance(value, str) else value),
]


def split_words(value: Any) -> Any:
    """Split a text at commas. Returns other values unchanged."""
    return tuple(filter(None, (part.strip() for part in value.split(",")))) if isinstance(value, str) else value


def _address(value: str) -> str:
    if not ADDRESS.fullmatch(value):
        raise ValueError("must be HOST:PORT, for example 127.0.0.1:50051, or a target such as dns:///HOST:PORT")
    return value


Address = Annotated[str, AfterValidator(_address)]
"""The gRPC address of a service."""
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_words)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_words)]


def long_enough(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    """Return former secrets. Raises ValueError for a short one, because its signatures are still accepted."""
    if any(len(secret.get_secret_value()) < MIN_SECRET_LENGTH for secret in secrets):
        raise ValueError(f"each must have at least {MIN_SECRET_LENGTH} characters, or be left out")
    return secrets


class SealKeys(tuple[bytes, ...]):
    """Keys of a `Sealer`. Their text representation has no key."""

    def __repr__(self) -> str:
        return f"<{len(self)} keys>"


def _seal_keys(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        keys = SealKeys(bytes.fromhex(word) for word in split_words(value))
    except ValueError:
        keys = SealKeys()
    if not keys or any(len(key) != SEAL_KEY_LENGTH for key in keys):
        raise ValueError("must be keys of 64 hexadecimal digits, by comma: `trivet keys` prints them")
    return keys


SealKeysField = Annotated[SealKeys, NoDecode, BeforeValidator(_seal_keys)]
