"""Random names: ids of rows, and tokens that open sessions."""

import hashlib
import secrets
import string

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 32


def new_id() -> str:
    """Return 32 characters of [a-zA-Z0-9] from the system's random source: 190 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def token_hash(token: str) -> str:
    """Return the only form in which a token is stored: SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
