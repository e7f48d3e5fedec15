"""Sign-up by email and password, idempotent, and without revealing which emails are taken."""

from dataclasses import dataclass, replace

from sqlalchemy import delete, insert

from runtime.errors import AlreadyExists
from runtime.ids import new_id
from services.identity.email.addresses import normal_email
from services.identity.email.policy import EmailRules
from services.identity.email.templates import Mailer
from services.identity.outbox.audit import Event, EventKind
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.policy import new_password
from services.identity.sessions.session import OpenedSession, Origin
from services.identity.sessions.session_gate import Method, Proof
from services.identity.store import idempotency
from services.identity.store.database import Transaction
from services.identity.store.faults.errors import DuplicateError
from services.identity.store.idempotency import IdempotencyKeys, IdempotentRequest
from services.identity.stores import Stores
from services.identity.users.tables import users
from services.identity.users.users import Role, User


@dataclass(frozen=True, slots=True)
class NewUser:
    """The fields of a sign-up."""

    name: str
    email: str
    password: str
    image: str | None = None
    callback_url: str = ""  # the page after the link of the verification mail
    additional: str | None = None  # a JSON object, see `custom_fields.py`


@dataclass(frozen=True, slots=True)
class SignUpResult:
    """A new user, and the first session if one was opened."""

    user: User
    opened: OpenedSession | None


class SignUp:
    """Creates users. Raises Unavailable (HASHING_OVERLOADED) before any change."""

    def __init__(
        self,
        stores: Stores,
        *,
        authentication: Authentication,
        hasher: Hasher,
        mailer: Mailer,
        rules: EmailRules,
        refuse_common: bool = True,
    ) -> None:
        self._database = stores.database
        self._credentials = stores.credentials
        self._sessions = stores.sessions
        self._audit = stores.audit
        self._now = stores.now
        self._authentication = authentication
        self._hasher = hasher
        self._mailer = mailer
        self._rules = rules
        self._refuse_common = refuse_common
        self._idempotency_keys = IdempotencyKeys(stores.database, now=stores.now)

    async def sign_up(self, new: NewUser, origin: Origin, *, caller: str = "", request_id: str = "") -> SignUpResult:
        """Create a user with a password, and a first session if the rules say so, in one transaction.

        A repeated call with the same `request_id` returns the same user with a new session. Raises AlreadyExists
        (EMAIL_TAKEN), InvalidArgument (email, password or request id) and FailedPrecondition (REQUEST_ID_REUSED).
        If a sign-up opens no session, a taken email returns a fictitious user instead, after the same work.
        """
        email = normal_email(new.email)
        password = new_password(new.password, refuse_common=self._refuse_common)
        asked = idempotency.request(caller, request_id, new.name, email, new.image, new.additional)
        if asked is not None and (again := await self._signed_up_before(asked, password, origin)) is not None:
            return again
        is_taken = await self._credentials.by_email(email) is not None
        if is_taken and self._rules.signing_up_opens_a_session:
            return await self._again_or_taken(new, email, password, origin, asked)
        password_hash = await self._hasher.hash(password)
        try:
            if is_taken:
                return await self._pretend(new, email)
            return await self._insert(new, email, password_hash, origin, asked)
        except DuplicateError:
            return await self._again_or_taken(new, email, password, origin, asked)

    async def _pretend(self, new: NewUser, email: str) -> SignUpResult:
        """Return a fictitious user after the work of a real sign-up: the email is taken."""
        user = self._new_user(new, email)

        async def work(transaction: Transaction) -> SignUpResult:
            # Inserted and deleted in one transaction, so that the response time does not reveal the taken email.
            await self._write(transaction, replace(user, email=user.id), new_id())
            await transaction.execute(delete(users).where(users.c.id == user.id))
            await self._mailer.decoy(transaction, new.callback_url)
            return SignUpResult(user, None)

        return await self._database.transaction("users.pretend_sign_up", work)

    async def _again_or_taken(
        self, new: NewUser, email: str, password: str, origin: Origin, asked: IdempotentRequest | None
    ) -> SignUpResult:
        """Handle a lost race: a concurrent call with the same request id, or with the same email."""
        if asked is not None and (again := await self._signed_up_before(asked, password, origin)) is not None:
            return again
        if self._rules.signing_up_opens_a_session:
            raise _taken()
        return await self._pretend(new, email)

    async def _signed_up_before(self, asked: IdempotentRequest, password: str, origin: Origin) -> SignUpResult | None:
        user_id = await self._idempotency_keys.answer(asked)
        if user_id is None:
            return None
        found = await self._credentials.by_user(user_id)
        # The password is part of the request, but only its hash is stored.
        if found is None or not await self._hasher.verify(found.password, password):
            raise idempotency.reused()
        if not self._rules.signing_up_opens_a_session:
            return SignUpResult(found.user, None)
        signed_in = await self._authentication.open_by_password(found, password, origin)
        return SignUpResult(signed_in.user, signed_in.opened)

    def _new_user(self, new: NewUser, email: str) -> User:
        now = self._now()
        columns = (new_id(), email, new.name, new.image, False, Role.USER, False, None, None, now, now, new.additional)
        return User(*columns)

    async def _insert(
        self, new: NewUser, email: str, password_hash: str, origin: Origin, asked: IdempotentRequest | None
    ) -> SignUpResult:
        user = self._new_user(new, email)

        async def work(transaction: Transaction) -> SignUpResult:
            if asked is not None:
                await self._idempotency_keys.keep(transaction, asked, user.id)
            await self._write(transaction, user, password_hash)
            opened = None
            if self._rules.signing_up_opens_a_session:
                opened = await self._sessions.open(transaction, Proof(user.id, Method.SIGN_UP), origin)
            if self._rules.verify_on_sign_up:
                await self._mailer.verify_email(transaction, user, new.callback_url)
            await self._audit.record(transaction, Event(EventKind.SIGNED_UP, user.id, origin=origin))
            return SignUpResult(user, opened)

        return await self._database.transaction("users.sign_up", work)

    async def _write(self, transaction: Transaction, user: User, password_hash: str) -> None:
        row = {name: getattr(user, name) for name in User.__dataclass_fields__} | {"role": user.role.value}
        await transaction.execute(insert(users).values(**row))
        await self._credentials.add_credential(transaction, user.id, password_hash)


def _taken() -> AlreadyExists:
    return AlreadyExists("EMAIL_TAKEN", "a user with this email exists already")
