"""Administration of users: creation, roles, bans, and the end of sessions."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from runtime.ids import new_id
from services.identity.email.addresses import normal_email
from services.identity.outbox.audit import Event, EventKind
from services.identity.store.control_characters import CONTROLS
from services.identity.store.database import Transaction
from services.identity.store.faults.errors import DuplicateError
from services.identity.stores import Stores
from services.identity.users.tables import users
from services.identity.users.users import Role, User, tag_of

REASON_LENGTH = 512


@dataclass(frozen=True, slots=True)
class UserChange:
    """A user after a change, and the number of sessions that it ended."""

    user: User
    sessions_ended: int


class Administration:
    """Changes of users by administrators and operators. `actor` is an administrator's id or `service:NAME`.

    One administrator who is not banned always remains: see `Users.find_removable`.
    """

    def __init__(self, stores: Stores) -> None:
        self._database = stores.database
        self._users = stores.users
        self._credentials = stores.credentials
        self._sessions = stores.sessions
        self._outbox = stores.outbox
        self._audit = stores.audit
        self._now = stores.now

    async def create(
        self, email: str, name: str, password_hash: str, *, role: Role, email_verified: bool, actor: str
    ) -> User:
        """Create a user with a password, without a session. Raises AlreadyExists (EMAIL_TAKEN) and InvalidArgument."""
        now, user_id = self._now(), new_id()
        user = User(user_id, normal_email(email), name, None, email_verified, role, False, None, None, now, now)
        row = {each: getattr(user, each) for each in User.__dataclass_fields__} | {"role": role.value}

        async def work(transaction: Transaction) -> User:
            await transaction.execute(insert(users).values(**row))
            await self._credentials.add_credential(transaction, user.id, password_hash)
            await self._audit.record(transaction, Event(EventKind.SIGNED_UP, user.id, actor, detail=role.value))
            return user

        try:
            return await self._database.transaction("users.create", work)
        except DuplicateError:
            raise AlreadyExists("EMAIL_TAKEN", "a user with this email exists already") from None

    async def set_role(self, user_id: str, role: Role, *, actor: str) -> UserChange:
        """Set a user's role and end the user's sessions. The role that the user already has changes nothing.

        Raises NotFound, and FailedPrecondition (LAST_ADMIN).
        """

        async def work(transaction: Transaction) -> UserChange:
            if role is Role.ADMIN:
                user = await self._users.find_locked(transaction, user_id)
            else:
                user = (await self._users.find_removable(transaction, user_id)).user
            if user.role is role:
                return UserChange(user, 0)
            event = Event(EventKind.ROLE_CHANGED, user_id, actor, detail=role.value)
            return await self._change(transaction, user, event, role=role.value)

        return await self._database.transaction("users.set_role", work)

    async def ban(self, user_id: str, reason: str, until: datetime | None, *, actor: str) -> UserChange:
        """Ban a user until a time, or without an end, and end the user's sessions. A second ban replaces the first.

        Raises InvalidArgument (INVALID_REASON), NotFound, and FailedPrecondition (CANNOT_BAN_YOURSELF, LAST_ADMIN).
        """
        _admit_reason(reason)
        if actor == user_id:
            raise FailedPrecondition("CANNOT_BAN_YOURSELF", "you cannot ban yourself")

        async def work(transaction: Transaction) -> UserChange:
            user = (await self._users.find_removable(transaction, user_id)).user
            event = Event(EventKind.BANNED, user_id, actor, detail=reason)
            ban = {"banned": True, "ban_reason": reason or None, "ban_expires": until}
            return await self._change(transaction, user, event, **ban)

        return await self._database.transaction("users.ban", work)

    async def unban(self, user_id: str, *, actor: str) -> UserChange:
        """Unban a user. A user who is not banned is no error. Raises NotFound."""

        async def work(transaction: Transaction) -> UserChange:
            user = await self._users.find_locked(transaction, user_id)
            if not user.banned:
                return UserChange(user, 0)
            no_ban = {"banned": False, "ban_reason": None, "ban_expires": None}
            return await self._change(transaction, user, Event(EventKind.UNBANNED, user_id, actor), **no_ban)

        return await self._database.transaction("users.unban", work)

    async def end_sessions(self, user_id: str, *, actor: str) -> UserChange:
        """End a user's sessions. Raises NotFound."""

        async def work(transaction: Transaction) -> UserChange:
            user = await self._users.find_locked(transaction, user_id)
            ended = await self._sessions.end_all(transaction, user_id)
            await self._audit.record(transaction, Event(EventKind.SESSIONS_REVOKED, user_id, actor))
            return UserChange(user, ended)

        return await self._database.transaction("sessions.end_all", work)

    async def end_session(self, user_id: str, session_id: str, *, actor: str) -> UserChange:
        """End one session of a user. A session that is unknown or of another user is no error.

        Raises NotFound for an unknown user.
        """

        async def work(transaction: Transaction) -> UserChange:
            user = await self._users.find_locked(transaction, user_id)
            ended = await self._sessions.end_one(transaction, user_id, session_id)
            if ended:
                event = Event(EventKind.SESSIONS_REVOKED, user_id, actor, detail="one session")
                await self._audit.record(transaction, event)
            return UserChange(user, ended)

        return await self._database.transaction("sessions.end_one", work)

    async def _change(self, transaction: Transaction, user: User, event: Event, **values: Any) -> UserChange:
        """Write new values, end the sessions, invalidate the caches, and record the audit event."""
        now = self._now()
        await transaction.execute(update(users).where(users.c.id == user.id).values(**values, updated_at=now))
        ended = await self._sessions.end_all(transaction, user.id)
        await self._outbox.add(transaction, tag_of(user.id))
        await self._audit.record(transaction, event)
        if "role" in values:
            values["role"] = Role(values["role"])
        return UserChange(replace(user, **values, updated_at=now), ended)


def _admit_reason(text: str) -> None:
    if len(text) > REASON_LENGTH:
        raise InvalidArgument("INVALID_REASON", f"reason must have at most {REASON_LENGTH} characters", field="reason")
    if CONTROLS.search(text):
        raise InvalidArgument("INVALID_REASON", "reason must not contain control characters", field="reason")
