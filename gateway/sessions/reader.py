"""Who makes a request, and their profile, read through the near cache and the cache service."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.api.cached_message import Made, made
from gateway.api.cached_rpcs import PROFILES, SESSIONS, SUBSCRIPTIONS, UNREAD
from gateway.backends import Backends
from gateway.sessions.cached_session import HeldSession, hold
from gateway.sessions.cookies import SessionCookies
from gateway.settings import GatewaySettings
from runtime.clock import Clock, from_timestamp, utc_now
from runtime.ids import token_hash
from trivet.client import CachedReads, Metadata, NearCache, NearReads, acting_for
from trivet.identity.v1.resources_pb2 import ROLE_ADMIN, Session, User
from trivet.identity.v1.session_service_pb2 import RefreshSessionRequest, VerifySessionRequest
from trivet.identity.v1.subscription_service_pb2 import GetSubscriptionRequest, Subscription
from trivet.identity.v1.user_service_pb2 import GetUserRequest
from trivet.notifications.v1.notification_service_pb2 import CountUnreadRequest, CountUnreadResponse

M = TypeVar("M", bound=Message)


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
    """What a request needs to know of who makes it, and every other read that goes through the cache."""

    def __init__(self, settings: GatewaySettings, backends: Backends, near: NearCache, *, now: Clock = utc_now) -> None:
        self.cookies = SessionCookies.of(settings)
        self.cached = CachedReads(backends.cache, near)
        self.sessions: NearReads[HeldSession] = NearReads(self.cached, SESSIONS.namespace, hold)
        self._messages: dict[str, NearReads[Any]] = {}
        self._backends = backends
        self._now = now

    async def session(self, token: str, *, authoritative: bool = False) -> SignedIn | None:
        """Return the session that a token opens, None if there is none. Raises AioRpcError if nobody can tell.

        `authoritative` asks identity whatever a cache holds.
        """

        held = None if authoritative else (await self.held_session(token))[0]
        # One that has run out, or is to be confirmed: identity has the word.
        if authoritative or (held is not None and held.ends <= self._now().timestamp()):
            held = await self._verify(token, ())
        if held is None:
            return None
        answer = held.answer
        return SignedIn(answer.user, answer.session, answer.slide_time, token)

    async def held_session(self, token: str) -> tuple[HeldSession | None, bool]:
        """Return the session that a token opens, and whether a cache knew it or identity had to be asked.

        None if there is none. Raises AioRpcError if nobody can tell.
        """
        is_hit = True

        async def ask(lease: Metadata) -> HeldSession | None:
            nonlocal is_hit
            is_hit = False
            return await self._verify(token, lease)

        return await self.sessions.get(token_hash(token), ask), is_hit

    async def _verify(self, token: str, lease: Metadata) -> HeldSession | None:
        try:
            request = VerifySessionRequest(token=token)
            return HeldSession.of(await self._backends.sessions.VerifySession(request, metadata=lease))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def is_due(self, found: SignedIn) -> bool:
        """Whether the session's end is to be moved now."""
        return found.slide_time.seconds != 0 and from_timestamp(found.slide_time) <= self._now()

    async def refresh(self, token: str) -> tuple[SignedIn, bool]:
        """Move a session's end; return it, and whether this call moved it. Raises AioRpcError."""
        answer = await self._backends.sessions.RefreshSession(RefreshSessionRequest(token=token))
        return SignedIn(answer.user, answer.session, answer.slide_time, token), answer.refreshed

    async def profile(self, user_id: str) -> User:
        """Return a user as everybody's cached profile has it. Raises AioRpcError."""

        async def ask(lease: Metadata) -> Made[User]:
            return Made(await self._backends.users.GetUser(GetUserRequest(user_id=user_id), metadata=lease))

        found = await self.messages(PROFILES.namespace, User).get(user_id, ask)
        return found.message if found else (await ask(())).message

    async def subscription(self, user_id: str) -> Subscription:
        """Return a user's subscription, an empty one without any. Raises AioRpcError."""

        async def ask(lease: Metadata) -> Made[Subscription] | None:
            request = GetSubscriptionRequest(user_id=user_id)
            try:
                return Made(await self._backends.subscriptions.GetSubscription(request, metadata=lease))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return None
                raise

        found = await self.messages(SUBSCRIPTIONS.namespace, Subscription).get(user_id, ask)
        return found.message if found else Subscription()

    async def unread(self, signed_in: SignedIn) -> int:
        """Return how many notifications a person has not read, up to 1,000. Raises AioRpcError."""

        async def ask(lease: Metadata) -> Made[CountUnreadResponse]:
            with signed_in.acting():
                request = CountUnreadRequest()
                return Made(await self._backends.notifications.CountUnread(request, metadata=lease))

        found = await self.messages(UNREAD.namespace, CountUnreadResponse).get(signed_in.user.id, ask)
        return (found or await ask(())).message.unread_count

    def messages(self, namespace: str, kind: type[M]) -> "NearReads[Made[M]]":
        """Return the reads of a namespace whose entries are messages of one kind."""
        reads: Any = self._messages.get(namespace)  # of messages of this kind: a namespace holds no other
        if reads is None:
            reads = self._messages[namespace] = NearReads(self.cached, namespace, made(kind))
        found: NearReads[Made[M]] = reads
        return found
