"""Opens, verifies, refreshes, lists and ends sessions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, select, tuple_, update

from identity_rules.freshness import is_fresh
from runtime import failpoints
from runtime.clock import Clock, utc_now
from runtime.errors import Absent, FailedPrecondition, InvalidArgument, NotFound
from runtime.ids import new_id, token_hash
from services.identity.outbox.delivery import Invalidation
from services.identity.outbox.outbox import Outbox
from services.identity.sessions.session import (
    COLUMNS,
    Lifetimes,
    OpenedSession,
    Origin,
    Revocation,
    Session,
    VerifiedSession,
    session_of,
    tag_of,
    tag_of_all,
)
from services.identity.sessions.session_gate import Proof, insert_if_proved
from services.identity.sessions.tables import sessions
from services.identity.store.compiled_reads import StaticSelect
from services.identity.store.database import Database, Transaction
from services.identity.users.custom_fields import merged
from services.identity.users.tables import users
from services.identity.users.users import COLUMNS as USER_COLUMNS
from services.identity.users.users import user_of

UNREMEMBERED = timedelta(days=1)
USER_AGENT_LENGTH = 512
IP_ADDRESS_LENGTH = 64


BY_TOKEN = (
    select(*USER_COLUMNS, *COLUMNS).join_from(sessions, users).where(sessions.c.token_hash == bindparam("token_hash"))
)
VERIFY = StaticSelect("sessions.verify", BY_TOKEN)


def not_found() -> NotFound:
    return NotFound("SESSION_NOT_FOUND", "the token opens no session")


class Sessions:
    """The sessions of a database. The end of a session invalidates the caches before a method returns.

    See `Outbox` for an invalidation that the caches do not confirm in time.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        lifetimes: Lifetimes,
        *,
        requires_verification: bool = False,
        now: Clock = utc_now,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._lifetimes = lifetimes
        self._requires_verification = requires_verification
        self._now = now

    def prepare(self, user_id: str, origin: Origin) -> OpenedSession:
        """Return a session that is not inserted yet."""
        now = self._now()
        session = Session(
            id=new_id(),
            user_id=user_id,
            expires_at=now + (self._lifetimes.expires if origin.remember else UNREMEMBERED),
            remembered=origin.remember,
            ip_address=origin.ip_address[:IP_ADDRESS_LENGTH],
            user_agent=origin.user_agent[:USER_AGENT_LENGTH],
            created_at=now,
            updated_at=now,
        )
        return OpenedSession(session, new_id())

    async def open(self, transaction: Transaction, proof: Proof, origin: Origin) -> OpenedSession | None:
        """Open a session. Every way to sign in calls this, and nothing else inserts a session.

        Returns None if the proof does not hold: the user was deleted or banned, the password was changed, or the email
        must be verified and is not. `session_gate.py` has the conditions. The rows that the proof depends on are locked
        until the transaction ends, so a later change ends this session too.
        """
        opened = self.prepare(proof.user_id, origin)
        statement, values = insert_if_proved(
            proof, opened.row, self._now(), requires_verification=self._requires_verification
        )
        written = await transaction.write(statement, values)
        return opened if written.rows else None

    async def verify(self, token: str) -> VerifiedSession:
        """Return the session and the user of a token, with one statement.

        Raises NotFound if the session has expired or the user is banned, and Absent if the token is unknown. Caches can
        store this absence: a token is random and is created with its session, so it cannot be looked up before.
        """
        row = await self._database.first(VERIFY, token_hash=token_hash(token))
        await failpoints.reach("sessions.before_fill")
        return self._open(row)

    async def refresh(self, token: str) -> tuple[VerifiedSession, bool]:
        """Extend a session if its `slides_at` has passed; return it and whether this call extended it.

        Of concurrent calls, one extends it. Raises NotFound as `verify` does.
        """
        statement = BY_TOKEN.params(token_hash=token_hash(token))

        async def work(transaction: Transaction) -> tuple[VerifiedSession, bool]:
            found = self._open((await transaction.execute(statement)).first())
            now = self._now()
            if now < found.slides_at:
                return found, False
            moved = replace(found.session, expires_at=now + self._lifetimes.expires, updated_at=now)
            won = await transaction.execute(
                update(sessions)
                .where(sessions.c.id == moved.id, sessions.c.expires_at == found.session.expires_at)
                .values(expires_at=moved.expires_at, updated_at=now)
            )
            if won.rowcount == 0:
                return self._open((await transaction.execute(statement)).first()), False
            await self._outbox.add(transaction, tag_of(moved.id))
            return VerifiedSession(moved, found.user, moved.slides_at(self._lifetimes)), True

        return await self._database.transaction("sessions.refresh", work)

    async def update(self, user_id: str, session_id: str, additional: Mapping[str, Any]) -> Session:
        """Set custom fields of a user's active session. Other fields keep their values, also under concurrent calls.

        `updated_at` stays, because it is the time of the last refresh. Raises NotFound, and InvalidArgument
        (ADDITIONAL_TOO_LARGE).
        """

        async def work(transaction: Transaction) -> Session:
            session = await self.find_locked(transaction, user_id, session_id)
            if session is None:
                raise not_found()
            changed = replace(session, additional=merged(session.additional, additional))
            await transaction.execute(
                update(sessions).where(sessions.c.id == session_id).values(additional=changed.additional)
            )
            await self._outbox.add(transaction, tag_of(session_id))
            return changed

        return await self._database.transaction("sessions.update", work)

    async def find(self, user_id: str, session_id: str) -> Session | None:
        """Return a user's active session by its id, None if there is none."""
        row = await self._database.row("sessions.find", self._active(user_id).where(sessions.c.id == session_id))
        return session_of(row) if row else None

    async def verify_fresh(self, transaction: Transaction, user_id: str, session_id: str) -> None:
        """Lock an active session of the user that was opened less than a day ago.

        Raises FailedPrecondition (SESSION_NOT_FRESH) if there is none.
        """
        session = await self.find_locked(transaction, user_id, session_id)
        if session is None or not is_fresh(session.created_at, self._now()):
            raise FailedPrecondition("SESSION_NOT_FRESH", "the session is older than a day: sign in again first")

    async def find_locked(self, transaction: Transaction, user_id: str, session_id: str) -> Session | None:
        """As `find`, and lock the session until the transaction ends."""
        statement = self._active(user_id).where(sessions.c.id == session_id).with_for_update()
        row = (await transaction.execute(statement)).first()
        return session_of(row) if row else None

    async def list(self, user_id: str, limit: int, after: tuple[datetime, str] | None = None) -> list[Session]:
        """Return up to `limit` active sessions of a user, newest first, after the sort key (created_at, id)."""
        key = (sessions.c.created_at, sessions.c.id)
        statement = self._active(user_id)
        if after is not None:
            statement = statement.where(tuple_(*key) < tuple_(*after, types=[part.type for part in key]))
        statement = statement.order_by(key[0].desc(), key[1].desc()).limit(limit)
        return [session_of(row) for row in await self._database.rows("sessions.list", statement)]

    def _active(self, user_id: str) -> Select[Any]:
        return select(*COLUMNS).where(sessions.c.user_id == user_id, sessions.c.expires_at > self._now())

    async def sign_out(self, token: str) -> Revocation:
        """End the session of a token, if there is one."""
        return await self._end_one(sessions.c.token_hash == token_hash(token))

    async def revoke(self, user_id: str, *, session_id: str = "", token: str = "") -> Revocation:
        """End one session of a user, by id or token. A session that is unknown or of another user is no error."""
        which = sessions.c.id == session_id if session_id else sessions.c.token_hash == token_hash(token)
        return await self._end_one(which & (sessions.c.user_id == user_id))

    async def end_one(self, transaction: Transaction, user_id: str, session_id: str) -> int:
        """End one session of a user in this transaction; return how many were ended, 0 or 1."""
        mine = (sessions.c.id == session_id) & (sessions.c.user_id == user_id)
        count, _ = await self._delete_one(transaction, mine)
        return count

    async def _end_one(self, which: Any) -> Revocation:
        return Revocation.of(
            await self._database.transaction("sessions.end", lambda transaction: self._delete_one(transaction, which))
        )

    async def _delete_one(self, transaction: Transaction, which: Any) -> tuple[int, Invalidation | None]:
        session_id = (await transaction.execute(select(sessions.c.id).where(which))).scalar()
        if session_id is None:
            return 0, None
        gone = await transaction.execute(delete(sessions).where(sessions.c.id == session_id))
        return gone.rowcount, await self._outbox.add(transaction, tag_of(session_id))

    async def revoke_others(self, user_id: str, keep: str) -> Revocation:
        """End all sessions of a user except `keep`.

        Raises InvalidArgument (UNKNOWN_SESSION), and ends none, unless `keep` is an active session of the user.
        """

        async def work(transaction: Transaction) -> tuple[int, Invalidation | None]:
            if (await transaction.execute(self._active(user_id).where(sessions.c.id == keep))).first() is None:
                raise InvalidArgument(
                    "UNKNOWN_SESSION", "keep_session_id is not an active session of the user", field="keep_session_id"
                )
            return await self._end_all(transaction, user_id, keep)

        return Revocation.of(await self._database.transaction("sessions.end_all", work))

    async def revoke_all(self, user_id: str) -> Revocation:
        """End all sessions of a user. An unknown user has none."""

        async def work(transaction: Transaction) -> tuple[int, Invalidation | None]:
            return await self._end_all(transaction, user_id, "")

        return Revocation.of(await self._database.transaction("sessions.end_all", work))

    async def end_all(self, transaction: Transaction, user_id: str, *, keep: str = "") -> int:
        """End all sessions of a user except `keep` in this transaction; return how many were ended."""
        count, _ = await self._end_all(transaction, user_id, keep)
        return count

    async def _end_all(self, transaction: Transaction, user_id: str, keep: str) -> tuple[int, Invalidation | None]:
        gone = await transaction.execute(delete(sessions).where(sessions.c.user_id == user_id, sessions.c.id != keep))
        if not gone.rowcount:
            return 0, None
        return gone.rowcount, await self._outbox.add(transaction, tag_of_all(user_id))

    def _open(self, row: Sequence[Any] | None) -> VerifiedSession:
        if row is None:
            raise Absent("SESSION_NOT_FOUND", "the token opens no session")
        session, user, now = session_of(row), user_of(row), self._now()
        if session.expires_at <= now or user.is_banned_at(now):
            raise not_found()
        return VerifiedSession(session, user, session.slides_at(self._lifetimes))
