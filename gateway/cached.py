"""What HTTP reads through the cache: a hit is one call to it, a miss goes to the owner, who fills on the way back."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from prometheus_client import Counter

from gateway.lookups import Lookups
from runtime.lease import METADATA_KEY, format_lease
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub

logger = logging.getLogger(__name__)

bypassed = Counter("trivet_gateway_cache_bypassed_total", "Reads that went past a cache that did not answer.")

T = TypeVar("T")
M = TypeVar("M", bound=Message)
Metadata = tuple[tuple[str, str], ...]

KEY = re.compile(r"[!-~]{1,512}")
"""What the cache takes for a key; nothing else is in it."""


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


class CachedReads:
    """Lookups that never fail: a cache that is away is a miss, and is left alone for a second."""

    REST_SECONDS = 1.0

    def __init__(self, cache: CacheServiceStub, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._monotonic = monotonic
        self._rests_until = 0.0
        self._lookups: dict[str, Lookups] = {}

    async def through(
        self, namespace: str, key: str, read: Callable[[bytes], T | None], ask: Callable[[Metadata], Awaitable[T]]
    ) -> T:
        """Return the entry as `read` reads it; without one, or if that is None, what `ask` gets of its owner."""
        value, lease = await self._get(namespace, key)
        if value is not None and (found := read(value)) is not None:
            return found
        return await ask(lease)

    async def _get(self, namespace: str, key: str) -> tuple[bytes | None, Metadata]:
        """Return the entry, or None and the metadata by which the owner's answer may be filled in."""
        if not KEY.fullmatch(key):
            return None, ()
        if self._monotonic() < self._rests_until:
            bypassed.inc()
            return None, ()
        lookups = self._lookups.get(namespace) or self._lookups.setdefault(namespace, Lookups(self._cache, namespace))
        try:
            lookup = await lookups.get(key)
        except grpc.aio.AioRpcError as error:
            bypassed.inc()
            if self._monotonic() >= self._rests_until:  # those who waited for the same call say it once
                logger.warning("the cache does not answer: %s", error.code().name)
            self._rests_until = self._monotonic() + self.REST_SECONDS
            return None, ()
        if lookup.found:
            return lookup.value, ()
        # Without a position there is no lease, and nothing is filled: Redis is gone.
        return None, ((METADATA_KEY, format_lease(lookup.position)),) if lookup.HasField("position") else ()


def reader(kind: type[M], *, may_be_none: bool = False) -> Callable[[bytes], M | None]:
    """Return a function from an entry's bytes to the message in them, None if they hold none."""

    def read(value: bytes) -> M | None:
        if may_be_none and not value:
            return None
        try:
            return kind.FromString(value)
        except DecodeError:
            return None

    return read
