"""Encrypts small secrets at rest with AES-256-GCM. The first key encrypts, and every key can decrypt."""

import base64
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_LENGTH = 32
NONCE_LENGTH = 12
VERSION = "1"


class BrokenSealError(Exception):
    """The text was changed, or was not sealed with one of the keys for this purpose."""


class Sealer:
    """Seals with its first key. `purpose` says what a secret is and its owner. A text opens only for its purpose.

    A sealed text is `1.KEY.DATA`: the first 8 digits of the SHA-256 of the key, and nonce and ciphertext in unpadded
    base64url. To rotate, put a new key in front; the old ones stay until nothing that they sealed is left.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_LENGTH for key in keys):
            raise ValueError(f"sealing takes one key or more, each of {KEY_LENGTH} bytes")
        self._current = key_id(keys[0])
        self._ciphers = {key_id(key): AESGCM(key) for key in reversed(keys)}

    def seal(self, secret: str, purpose: str) -> str:
        """Return the encrypted secret."""
        nonce = os.urandom(NONCE_LENGTH)
        data = nonce + self._ciphers[self._current].encrypt(nonce, secret.encode(), purpose.encode())
        return f"{VERSION}.{self._current}.{base64.urlsafe_b64encode(data).rstrip(b'=').decode()}"

    def open(self, sealed: str, purpose: str) -> str:
        """Return the secret. Raises BrokenSealError if the text or the purpose is wrong."""
        version, _, rest = sealed.partition(".")
        name, _, data = rest.partition(".")
        cipher = self._ciphers.get(name)
        if version != VERSION or cipher is None:
            raise BrokenSealError
        try:
            raw = base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True)
            return cipher.decrypt(raw[:NONCE_LENGTH], raw[NONCE_LENGTH:], purpose.encode()).decode()
        except (InvalidTag, ValueError):
            raise BrokenSealError from None

    def is_current(self, sealed: str) -> bool:
        """Whether a text is sealed with the current key."""
        return sealed.startswith(f"{VERSION}.{self._current}.")


def key_id(key: bytes) -> str:
    """Return the name of a key, which tells nothing of it: the first 8 digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:8]
