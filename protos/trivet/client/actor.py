"""The actor of a call: a short-lived claim, signed with the key that a caller and a service share.

The claim is the metadata `trivet-actor`, with eight parts between dots:

    v1.CALLER.AUDIENCE.EXPIRES.USER_ID.ROLE.SESSION_ID.MAC

EXPIRES is in seconds since 1970. USER_ID, ROLE and SESSION_ID are empty if a service calls for itself. MAC is the
unpadded base64url HMAC-SHA256 of the text before the last dot.
"""

import base64
import hashlib
import hmac
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

METADATA_KEY = "trivet-actor"
VERSION = "v1"
LIFETIME_SECONDS = 60
REUSE_SECONDS = 5
"""How long a signature is reused. At least 55 of its 60 seconds are left when it is sent."""
MAX_REUSED = 1_024

PairKeys = Mapping[str, bytes]
"""The key shared with each peer, by the peer's name."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A service that calls, and the user that it calls for. `user_id` is empty if it calls for itself."""

    caller: str
    user_id: str = ""
    role: str = ""
    session_id: str = ""

    @property
    def is_person(self) -> bool:
        return self.user_id != ""

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


def mac(key: bytes, claim: str) -> str:
    """Return the claim's signature."""
    digest = hmac.digest(key, claim.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def sign(actor: Actor, audience: str, key: bytes, *, expires: int) -> str:
    """Return the metadata value of an actor. `audience` accepts it until `expires` (seconds since 1970)."""
    parts = (VERSION, actor.caller, audience, str(expires), actor.user_id, actor.role, actor.session_id)
    if any("." in part for part in parts):
        raise ValueError(f"no part of an actor can contain a dot: {actor}")
    claim = ".".join(parts)
    return f"{claim}.{mac(key, claim)}"


def decode_pair_keys(text: str) -> dict[str, bytes]:
    """Decode the setting `PEER=HEX,PEER=HEX`. Raises ValueError, whose message never contains a key."""
    return dict(decode_all_pair_keys(text))


def decode_all_pair_keys(text: str) -> list[tuple[str, bytes]]:
    """Decode as `decode_pair_keys`, with every key of a peer that is named several times."""
    keys = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        peer, equals, value = item.partition("=")
        try:
            key = bytes.fromhex(value)
        except ValueError:
            key = b""
        if not equals or not peer or len(key) < 32:
            # An item without an equals sign can be a bare key.
            where = f"at {peer!r}" if equals and peer else "in an item without a peer"
            raise ValueError(f"expected PEER=HEX with at least 32 bytes of key, {where}")
        keys.append((peer, key))
    return keys


_person: ContextVar[Actor | None] = ContextVar("trivet_person", default=None)


@contextmanager
def acting_for(user_id: str, role: str, session_id: str = "") -> Iterator[None]:
    """Sign the calls inside the block for a user instead of the program itself."""
    token = _person.set(Actor("", user_id, role, session_id))
    try:
        yield
    finally:
        _person.reset(token)


class NoKeyError(LookupError):
    """There is no key for a service."""


class Signer:
    """Signs the calls of `caller` to each service that it shares a key with.

    A signature for the same service and user is reused for REUSE_SECONDS. At most MAX_REUSED are kept.
    """

    def __init__(self, caller: str, keys: PairKeys, *, now: Callable[[], float] = time.time) -> None:
        self.caller = caller
        self._keys = dict(keys)
        self._now = now
        self._signed: dict[tuple[str, Actor | None], tuple[float, str]] = {}

    def __call__(self, audience: str) -> str:
        """Return the `trivet-actor` value for one call. Raises NoKeyError if there is no key for the audience."""
        person, now = _person.get(), self._now()
        signed_at, value = self._signed.get((audience, person), (-math.inf, ""))
        # After the clock is set back, the time of a signature can be in the future.
        if 0 <= now - signed_at < REUSE_SECONDS:
            return value
        value = self._sign(audience, person, now)
        # The oldest is dropped first. A renewed signature moves to the end.
        self._signed.pop((audience, person), None)
        if len(self._signed) >= MAX_REUSED:
            del self._signed[next(iter(self._signed))]
        self._signed[audience, person] = now, value
        return value

    def _sign(self, audience: str, person: Actor | None, now: float) -> str:
        key = self._keys.get(audience)
        if key is None:
            raise NoKeyError(f"{self.caller} shares no key with {audience}: see `trivet keys`")
        actor = Actor(self.caller) if person is None else replace(person, caller=self.caller)
        return sign(actor, audience, key, expires=int(now) + LIFETIME_SECONDS)
