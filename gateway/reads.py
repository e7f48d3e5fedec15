"""Who makes a request, and their profile, read through the cache."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import HTTPConnection

from gateway.backends import Backends
from gateway.cached import PROFILES, SUBSCRIPTIONS, CachedReads, Metadata, reader
from gateway.cookies import SessionCookies
from gateway.exchange import exchange_of
from gateway.settings import GatewaySettings
from runtime.clock import Clock, from_timestamp, utc_now
from runtime.ids import token_hash
from trivet.client import acting_for
from trivet.identity.v1.resources_pb2 import ROLE_ADMIN, Session, User
from trivet.identity.v1.session_service_pb2 import RefreshSessionRequest, VerifySessionRequest, VerifySessionResponse
from trivet.identity.v1.subscription_service_pb2 import GetSubscriptionRequest, Subscription
from trivet.identity.v1.user_service_pb2 import GetUserRequest

if TYPE_CHECKING:
    from gateway.deps import Deps

read_session = reader(VerifySessionResponse)
read_user = reader(User)
read_subscription = reader(Subscription)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session, whose it is, and the token that opened it."""

    user: User
    session: Session
    slide_time: Timestamp
    token: str

    @property
    def is_admin(self) -> bool:
        return self.user.role == ROLE_ADMIN

    def acting(self) -> AbstractContextManager[None]:
        """Make the calls inside in this person's name."""
        return acting_for(self.user.id, "admin" if self.is_admin else "user", self.session.id)


class Reads:
    """What a request needs to know of who makes it."""

    def __init__(self, settings: GatewaySettings, backends: Backends, *, now: Clock = utc_now) -> None:
        self.cookies = SessionCookies.of(settings)
        self._backends = backends
        self.cached = CachedReads(backends.cache)
        self._now = now

    async def session(self, token: str, *, authoritative: bool = False) -> SignedIn | None:
        """Return the session that a token opens, None if there is none. Raises AioRpcError if nobody can tell.

        `authoritative` asks identity whatever the cache holds.
        """
        ask = partial(self._verify, token)
        try:
            if authoritative:
                answer = await ask(())
            else:
                answer = await self.cached.through("sessions", token_hash(token), self._unexpired, ask)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        return SignedIn(answer.user, answer.session, answer.slide_time, token)

    async def _verify(self, token: str, lease: Metadata) -> VerifySessionResponse:
        return await self._backends.sessions.VerifySession(VerifySessionRequest(token=token), metadata=lease)

    def is_due(self, found: SignedIn) -> bool:
        """Whether the session's end is to be moved now."""
        return found.slide_time.seconds != 0 and from_timestamp(found.slide_time) <= self._now()

    async def refresh(self, token: str) -> tuple[SignedIn, bool]:
        """Move a session's end; return it, and whether this call moved it. Raises AioRpcError."""
        answer = await self._backends.sessions.RefreshSession(RefreshSessionRequest(token=token))
        return SignedIn(answer.user, answer.session, answer.slide_time, token), answer.refreshed

    async def profile(self, user_id: str) -> User:
        """Return a user as everybody's cached profile has it. Raises AioRpcError."""

        async def ask(lease: Metadata) -> User:
            return await self._backends.users.GetUser(GetUserRequest(user_id=user_id), metadata=lease)

        return await self.cached.through(PROFILES.namespace, user_id, read_user, ask)

    async def subscription(self, user_id: str) -> Subscription:
        """Return a user's subscription, an empty one without any. Raises AioRpcError."""

        async def ask(lease: Metadata) -> Subscription:
            request = GetSubscriptionRequest(user_id=user_id)
            try:
                return await self._backends.subscriptions.GetSubscription(request, metadata=lease)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return Subscription()
                raise

        return await self.cached.through(SUBSCRIPTIONS.namespace, user_id, read_subscription, ask)

    def _unexpired(self, value: bytes) -> VerifySessionResponse | None:
        """Read a cached session; None if it has run out or is none of ours, and then identity has the word."""
        found = read_session(value)
        return found if found and from_timestamp(found.session.expire_time) > self._now() else None


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
