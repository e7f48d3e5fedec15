"""Reads sessions, profiles and other messages through the near cache and the cache service."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.cached_message import CachedMessage, decoder
from gateway.api.cached_rpcs import PROFILES, SESSIONS, SUBSCRIPTIONS, UNREAD
from gateway.backends import Backends
from gateway.sessions.cached_session import CachedSession, decode_session
from gateway.sessions.cookies import SessionCookies
from gateway.settings import GatewaySettings
from runtime.clock import Clock, from_timestamp, utc_now
from runtime.ids import token_hash
from trivet.client import CachedReads, Metadata, NearCache, NearReads, acting_for
from trivet.client.near.reads import TimedLookup
from trivet.identity.v1.resources_pb2 import ROLE_ADMIN, Session, User
from trivet.identity.v1.session_service_pb2 import RefreshSessionRequest, VerifySessionRequest
from trivet.identity.v1.subscription_service_pb2 import GetSubscriptionRequest, Subscription
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest, CountUnreadResponse

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session with its user and its token."""

    user: User
    session: Session
    slide_time: Timestamp
    token: str

    @property
    def is_admin(self) -> bool:
        return self.user.role == ROLE_ADMIN

    def acting(self) -> AbstractContextManager[None]:
        """Make the calls inside in the user's name."""
        return acting_for(self.user.id, "admin" if self.is_admin else "user", self.session.id)


class Reader:
    """All reads of the gateway that go through the cache."""

    def __init__(self, settings: GatewaySettings, backends: Backends, near: NearCache, *, now: Clock = utc_now) -> None:
        self.cookies = SessionCookies.of(settings)
        self.cached = CachedReads(backends.cache, near)
        self.sessions: NearReads[CachedSession] = NearReads(self.cached, SESSIONS.namespace, decode_session)
        self._messages: dict[str, NearReads[Any]] = {}
        self._backends = backends
        self._now = now

    async def session(self, token: str, *, authoritative: bool = False) -> SignedIn | None:
        """Return the live session of a token, None if there is none. Raises AioRpcError if it cannot be read.

        With `authoritative`, identity confirms the session and no cache is read.
        """
        cached = None if authoritative else (await self.cached_session(token))[0]
        # Identity decides about a session that has expired in the cache.
        if authoritative or (cached is not None and cached.ends <= self._now().timestamp()):
            cached = await self._verify(token, ())
        if cached is None:
            return None
        answer = cached.answer
        return SignedIn(answer.user, answer.session, answer.slide_time, token)

    async def cached_session(self, token: str, looked: TimedLookup | None = None) -> tuple[CachedSession | None, bool]:
        """Return the session of a token, None if there is none, and whether it was cached. It can have expired.

        `looked` is a lookup that the request has made already. Raises AioRpcError if it cannot be read.
        """
        is_hit = True

        async def ask(lease: Metadata) -> CachedSession | None:
            nonlocal is_hit
            is_hit = False
            return await self._verify(token, lease)

        return await self.sessions.get(token_hash(token), ask, looked), is_hit

    async def _verify(self, token: str, lease: Metadata) -> CachedSession | None:
        try:
            request = VerifySessionRequest(token=token)
            return CachedSession.of(await self._backends.sessions.VerifySession(request, metadata=lease))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def is_due(self, found: SignedIn) -> bool:
        """Whether the session's end is due to be moved."""
        return found.slide_time.seconds != 0 and from_timestamp(found.slide_time) <= self._now()

    async def refresh(self, token: str) -> tuple[SignedIn, bool]:
        """Move a session's end. Returns the session, and whether this call moved its end. Raises AioRpcError."""
        answer = await self._backends.sessions.RefreshSession(RefreshSessionRequest(token=token))
        return SignedIn(answer.user, answer.session, answer.slide_time, token), answer.refreshed

    async def profile(self, user_id: str) -> User:
        """Return a user's profile. Raises AioRpcError."""

        async def ask(lease: Metadata) -> CachedMessage[User]:
            return CachedMessage(await self._backends.users.GetUser(GetUserRequest(user_id=user_id), metadata=lease))

        found = await self.messages(PROFILES.namespace, User).get(user_id, ask)
        return found.message if found else (await ask(())).message

    async def subscription(self, user_id: str) -> Subscription:
        """Return a user's subscription, an empty message if there is none. Raises AioRpcError."""

        async def ask(lease: Metadata) -> CachedMessage[Subscription] | None:
            request = GetSubscriptionRequest(user_id=user_id)
            try:
                return CachedMessage(await self._backends.subscriptions.GetSubscription(request, metadata=lease))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                raise

        found = await self.messages(SUBSCRIPTIONS.namespace, Subscription).get(user_id, ask)
        return found.message if found else Subscription()

    async def unread(self, signed_in: SignedIn) -> int:
        """Return the number of a user's unread notifications, 1,000 at most. Raises AioRpcError."""

        async def ask(lease: Metadata) -> CachedMessage[CountUnreadResponse]:
            with signed_in.acting():
                request = CountUnreadRequest()
                return CachedMessage(await self._backends.notifications.CountUnread(request, metadata=lease))

        found = await self.messages(UNREAD.namespace, CountUnreadResponse).get(signed_in.user.id, ask)
        return (found or await ask(())).message.unread_count

    def messages(self, namespace: str, kind: type[M]) -> "NearReads[CachedMessage[M]]":
        """Return the reads of a namespace. Its entries are messages of one type."""
        reads: Any = self._messages.get(namespace)  # of this type: a namespace has no other
        if reads is None:
            reads = self._messages[namespace] = NearReads(self.cached, namespace, decoder(kind))
        found: NearReads[CachedMessage[M]] = reads
        return found
