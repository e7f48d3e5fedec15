"""Mail at rest is sealed. A keyed fingerprint recognizes a mail after its body is erased."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict

from runtime.sealing import BrokenSealError, Sealer
from services.notifications.delivery.email.message import Email

FINGERPRINT_KEY = b"trivet mail fingerprint 1"


class SealedMail:
    """Seals mail under the first key, and opens mail that was sealed under any of the keys.

    Mail often contains a secret: a link that resets a password, or a code of six digits. A plain hash of it could be
    guessed, so the fingerprint is an HMAC.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._sealer = Sealer(keys)
        self._keys = tuple(hmac.digest(key, FINGERPRINT_KEY, hashlib.sha256) for key in keys)

    def seal(self, email: Email, notification_id: str) -> str:
        """Return the sealed mail. It opens only with the id of this notification."""
        return self._sealer.seal(json.dumps(asdict(email)), _purpose(notification_id))

    def open(self, sealed: str, notification_id: str) -> Email:
        """Return the mail. Raises BrokenSealError if no key opens it or it was sealed for another notification."""
        try:
            return Email(**json.loads(self._sealer.open(sealed, _purpose(notification_id))))
        except (ValueError, TypeError):
            raise BrokenSealError from None

    def fingerprint(self, email: Email, *request: str) -> str:
        """Return the HMAC of the mail and the parts of its request, under the first key, as hexadecimal digits."""
        return _fingerprint(self._keys[0], email, request)

    def is_same(self, fingerprint: str, email: Email, *request: str) -> bool:
        """Return whether a fingerprint, made under any of the keys, belongs to this mail and request."""
        return any(hmac.compare_digest(fingerprint, _fingerprint(key, email, request)) for key in self._keys)


def _fingerprint(key: bytes, email: Email, request: Sequence[str]) -> str:
    content = json.dumps([*request, asdict(email)]).encode()
    return hmac.digest(key, content, hashlib.sha256).hex()


def _purpose(notification_id: str) -> str:
    return f"mail of {notification_id}"
