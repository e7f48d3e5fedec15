"""Random ids and tokens."""

import hashlib
import secrets
import string

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 32

# A random byte becomes a character. The eight values above four alphabets are dropped: all are equally likely.
_LETTERS = bytes(ord(ALPHABET[value % len(ALPHABET)]) for value in range(256))
_BEYOND = bytes(range(256 - 256 % len(ALPHABET), 256))


def new_id() -> str:
    """Return 32 characters of [a-zA-Z0-9] from the system's random source: 190 bits."""
    letters = b""
    while len(letters) < ID_LENGTH:
        letters += secrets.token_bytes(ID_LENGTH + 16).translate(_LETTERS, _BEYOND)
    return letters[:ID_LENGTH].decode()


def token_hash(token: str) -> str:
    """Return the only form in which a token is stored: SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()
