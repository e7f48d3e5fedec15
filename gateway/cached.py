"""Which RPCs HTTP reads through the cache, and what is held ready of their answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.json_out import encode

M = TypeVar("M", bound=Message)


class Made(Generic[M]):
    """A message, and the JSON that HTTP answers for it, made when it is first asked for."""

    __slots__ = ("_json", "message")

    def __init__(self, message: M) -> None:
        self.message = message
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = encode(self.message)
        return self._json


@dataclass(frozen=True, slots=True)
class CachedRpc:
    """An RPC whose answers its owner keeps in the cache, as they are.

    `key` is the request's field that names the entry, `owner` the one that names whose it is: a hit is shown to that
    person and to administrators, as the owner's policy has it, and to nobody else. With `may_be_none` an empty entry
    says that there is none, which is left to the owner to refuse.
    """

    namespace: str
    key: str
    owner: str
    may_be_none: bool = False

    def may_be_shown(self, request: Message, user_id: str, *, is_admin: bool) -> bool:
        """Whether a hit may answer this person; if not, the owner of the RPC has the word, and refuses."""
        return is_admin or getattr(request, self.owner) == user_id


PROFILES = CachedRpc("profiles", key="user_id", owner="user_id")

SUBSCRIPTIONS = CachedRpc("subscriptions", key="user_id", owner="user_id", may_be_none=True)

CACHED_RPCS: Mapping[str, CachedRpc] = {
    "trivet.identity.v1.UserService/GetUser": PROFILES,
    "trivet.identity.v1.SubscriptionService/GetSubscription": SUBSCRIPTIONS,
}
"""Every other RPC goes to its service."""


def made(kind: type[M]) -> Callable[[bytes], Made[M] | None]:
    """Return a function from an entry's bytes to the message in them, None if they hold none."""

    def read(value: bytes) -> Made[M] | None:
        try:
            return Made(kind.FromString(value))
        except DecodeError:
            return None

    return read
