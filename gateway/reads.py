"""Sessions and profiles, read through the cache: a hit is one call to it, a miss goes to identity, which fills."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import Counter
from starlette.requests import HTTPConnection

from gateway.backends import Backends
from gateway.cookies import SessionCookies
from gateway.exchange import exchange_of
from gateway.settings import GatewaySettings
from runtime.clock import Clock, from_timestamp, utc_now
from runtime.ids import token_hash
from runtime.lease import METADATA_KEY, format_lease
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import acting_for
from trivet.identity.v1.resources_pb2 import ROLE_ADMIN, Session, User
from trivet.identity.v1.session_service_pb2 import RefreshSessionRequest, VerifySessionRequest, VerifySessionResponse
from trivet.identity.v1.user_service_pb2 import GetUserRequest

if TYPE_CHECKING:
    from gateway.deps import Deps

logger = logging.getLogger(__name__)

CACHE_SECONDS = 0.25
"""How long the cache may take: what it saves is less than waiting longer costs."""

bypassed = Counter("trivet_gateway_cache_bypassed_total", "Reads that went past a cache that did not answer.")

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session, whose it is, and the token that opened it."""

    user: User
    session: Session
    slide_time: Timestamp
    token: str

    def acting(self) -> AbstractContextManager[None]:
        """Make the calls inside in this person's name."""
        role = "admin" if self.user.role == ROLE_ADMIN else "user"
        return acting_for(self.user.id, role, self.session.id)


class CachedReads:
    """Lookups that never fail: a cache that is away is a miss, and is left alone for a second."""

    REST_SECONDS = 1.0

    def __init__(self, cache: CacheServiceStub, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._monotonic = monotonic
        self._rests_until = 0.0

    async def get(self, namespace: str, key: str) -> tuple[bytes | None, Metadata]:
        """Return the entry, or None and the metadata by which the owner's answer may be filled in."""
        if self._monotonic() < self._rests_until:
            bypassed.inc()
            return None, ()
        try:
            answer = await self._cache.Get(GetRequest(namespace=namespace, key=key), timeout=CACHE_SECONDS)
        except grpc.aio.AioRpcError as error:
            logger.warning("the cache does not answer: %s", error.code().name)
            bypassed.inc()
            self._rests_until = self._monotonic() + self.REST_SECONDS
            return None, ()
        lookup = answer.lookup
        if lookup.found:
            return lookup.value, ()
        # Without a position there is no lease, and nothing is filled: Redis is gone.
        return None, ((METADATA_KEY, format_lease(lookup.position)),) if lookup.HasField("position") else ()


class Reads:
    """What a request needs to know of who makes it."""

    def __init__(self, settings: GatewaySettings, backends: Backends, *, now: Clock = utc_now) -> None:
        self.cookies = SessionCookies.of(settings)
        self._backends = backends
        self._cached = CachedReads(backends.cache)
        self._now = now

    async def session(self, token: str, *, authoritative: bool = False) -> SignedIn | None:
        """Return the session that a token opens, None if there is none. Raises AioRpcError if nobody can tell.

        `authoritative` asks identity whatever the cache holds.
        """
        lease: Metadata = ()
        if not authoritative:
            value, lease = await self._cached.get("sessions", token_hash(token))
            if value is not None and (found := self._unexpired(value)) is not None:
                return SignedIn(found.user, found.session, found.slide_time, token)
        try:
            answer = await self._backends.sessions.VerifySession(VerifySessionRequest(token=token), metadata=lease)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        return SignedIn(answer.user, answer.session, answer.slide_time, token)

    def is_due(self, found: SignedIn) -> bool:
        """Whether the session's end is to be moved now."""
        return found.slide_time.seconds != 0 and from_timestamp(found.slide_time) <= self._now()

    async def refresh(self, token: str) -> tuple[SignedIn, bool]:
        """Move a session's end; return it, and whether this call moved it. Raises AioRpcError."""
        answer = await self._backends.sessions.RefreshSession(RefreshSessionRequest(token=token))
        return SignedIn(answer.user, answer.session, answer.slide_time, token), answer.refreshed

    async def profile(self, user_id: str) -> User:
        """Return a user as everybody's cached profile has it. Raises AioRpcError."""
        value, lease = await self._cached.get("profiles", user_id)
        if value is not None:
            try:
                return User.FromString(value)
            except DecodeError:
                lease = ()
        return await self._backends.users.GetUser(GetUserRequest(user_id=user_id), metadata=lease)

    def _unexpired(self, value: bytes) -> VerifySessionResponse | None:
        """Read a cached session; None if it has run out or is none of ours, and then identity has the word."""
        try:
            found = VerifySessionResponse.FromString(value)
        except DecodeError:
            return None
        return found if from_timestamp(found.session.expire_time) > self._now() else None


async def session_of(request: HTTPConnection, deps: "Deps", *, authoritative: bool = False) -> SignedIn | None:
    """Return who makes a request, by cookie or bearer token; None without a live session. Raises AioRpcError."""
    token = deps.reads.cookies.token_of(request)
    found = await deps.reads.session(token, authoritative=authoritative) if token else None
    if found is not None:
        exchange_of(request.scope).user_id = found.user.id
    return found


async def profile_of(user_id: str, deps: "Deps") -> User:
    """Return a user's profile. Raises AioRpcError."""
    return await deps.reads.profile(user_id)
