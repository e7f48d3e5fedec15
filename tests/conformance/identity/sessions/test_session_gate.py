"""What must still hold when a session is written, whatever happened since it was looked at, on every engine."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import bindparam, func, insert, select, update

from runtime.clock import utc_now
from runtime.errors import ServiceError
from services.identity import schema
from services.identity.email.policy import EmailRules
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.sign_up import NewUser
from services.identity.sessions import sessions
from services.identity.sessions.session import Origin
from services.identity.sessions.session_gate import EXEMPT_FROM_VERIFICATION, Method, Proof, insert_if_proved
from services.identity.store.compiled_writes import StaticInsert
from services.identity.users.users import User
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.mailing import Mailing, mailing
from tests.conformance.identity.moments import Meanwhile, overlapping

HERE = Origin("10.0.0.1", "tests")
NEW = "a better horse battery"
REQUEST = {"caller": "gateway", "request_id": "r-1"}
HOUR = timedelta(hours=1)

Change = Callable[[Mailing, User], Awaitable[object]]
Door = Callable[[Mailing, User], Awaitable[object]]


async def ban(site: Mailing, user: User) -> None:
    until = site.identity.clock() + HOUR
    await site.identity.administration.ban(user.id, "cool down", until, actor="service:ops")


async def change_password(site: Mailing, user: User) -> None:
    await site.identity.authentication.change_password(user.id, PASSWORD, NEW, end_others=None, keep="", origin=HERE)


async def reset(site: Mailing, user: User) -> None:
    await site.resets.request(user.email, "/reset")
    await site.resets.reset(await site.last_token(), NEW, HERE)


async def delete(site: Mailing, user: User) -> None:
    await site.identity.deletion.delete(user.id, actor="service:ops")


async def doubt(site: Mailing, user: User) -> None:
    """Take back that the address is verified, as only a statement on the database does."""
    await site.execute(update(schema.users).where(schema.users.c.id == user.id).values(email_verified=False))


async def sign_in(site: Mailing, user: User) -> None:
    await site.authentication.sign_in(user.email, PASSWORD, HERE)


async def sign_up_again(site: Mailing, user: User) -> None:
    await site.sign_ups.sign_up(NewUser("Ann", user.email, PASSWORD, callback_url="/in"), HERE, **REQUEST)


async def change_with_a_new_session(site: Mailing, user: User) -> None:
    await site.authentication.change_password(user.id, PASSWORD, f"{NEW} 2", end_others=True, keep="", origin=HERE)


async def reason(call: Awaitable[object]) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


async def count(identity: Identity) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(schema.sessions))
    assert row is not None
    return int(row[0])


async def signed_up(site: Mailing) -> User:
    """Sign somebody up with a request that can come again, and end the session that it opened."""
    new = NewUser("Ann", "ann@x.io", PASSWORD, callback_url="/in")
    user = (await site.sign_ups.sign_up(new, HERE, **REQUEST)).user
    await site.identity.sessions.revoke_all(user.id)
    return user


DOORS: dict[str, Door] = {
    "a sign-in": sign_in,
    "a sign-up that comes again": sign_up_again,
    "a change of password that opens a session": change_with_a_new_session,
}
BY_NAME: dict[str, Change] = {
    "a ban": ban,
    "another password": change_password,
    "a reset": reset,
    "deletion": delete,
}
REASONS = {
    "a sign-in": {"a ban": "BANNED_USER"},
    "a sign-up that comes again": {"a ban": "BANNED_USER"},
    "a change of password that opens a session": {
        "a ban": "BANNED_USER",
        "another password": "INVALID_PASSWORD",
        "a reset": "INVALID_PASSWORD",
        "deletion": "USER_NOT_FOUND",
    },
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", BY_NAME)
async def test_what_changes_while_a_password_is_checked_is_seen_by_the_session(
    identity: Identity, hasher: Hasher, door: str, change: str
) -> None:
    """Nothing is left that comes alive when a ban ends."""
    plain = mailing(identity, hasher)
    user = await signed_up(plain)
    site = mailing(identity, Meanwhile(hasher, lambda: BY_NAME[change](plain, user)))
    expected = REASONS[door].get(change, "INVALID_EMAIL_OR_PASSWORD")
    assert await reason(DOORS[door](site, user)) == expected
    identity.clock.move(hours=2)
    assert await count(identity) == 0


def without_proof(
    _proof: Proof, row: Mapping[str, object], _now: object, **_: object
) -> tuple[StaticInsert, dict[str, object]]:
    columns = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in schema.sessions.c}
    return StaticInsert(insert(schema.sessions).values(columns)), {f"new_{name}": value for name, value in row.items()}


async def test_without_the_proof_a_ban_leaves_a_session_that_comes_alive(
    identity: Identity, hasher: Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(sessions, "insert_if_proved", without_proof)
    plain = mailing(identity, hasher)
    user = await signed_up(plain)
    site = mailing(identity, Meanwhile(hasher, lambda: ban(plain, user)))
    await sign_in(site, user)
    identity.clock.move(hours=2)
    assert await count(identity) == 1


async def test_an_address_that_has_to_be_verified_is_asked_for_by_the_session(
    identity: Identity, hasher: Hasher
) -> None:
    rules = EmailRules(require_verification=True, verify_on_sign_in=True)
    plain = mailing(identity, hasher, rules)
    user = await plain.sign_up(verified=True)
    site = mailing(identity, Meanwhile(hasher, lambda: doubt(plain, user)), rules)
    assert await reason(sign_in(site, user)) == "EMAIL_NOT_VERIFIED"
    assert await count(identity) == 0
    assert [mail.about for mail in await site.mails()] == ["account.verify-email"]


async def tell(event: asyncio.Event) -> None:
    event.set()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", ["a ban", "another password", "deletion"])
async def test_a_change_that_is_not_committed_yet_is_waited_for(
    enduring: Identity, hasher: Hasher, door: str, change: str
) -> None:
    """The closest of races: the change has looked for sessions to end, and nobody sees yet what it has written."""
    site, checked = mailing(enduring, hasher), asyncio.Event()
    user = await signed_up(site)
    entering = mailing(enduring, Meanwhile(hasher, lambda: tell(checked)))
    done, entered = await overlapping(
        enduring.database, BY_NAME[change](site, user), DOORS[door](entering, user), begun=checked
    )
    assert done is None
    assert isinstance(entered, ServiceError), entered
    assert entered.reason == REASONS[door].get(change, "INVALID_EMAIL_OR_PASSWORD")
    enduring.clock.move(hours=2)
    assert await count(enduring) == 0


async def test_a_session_that_is_not_committed_yet_is_ended_by_a_ban(enduring: Identity, hasher: Hasher) -> None:
    """The other way round: the ban waits for the session, and ends it."""
    site = mailing(enduring, hasher)
    user = await signed_up(site)
    entered, banned = await overlapping(enduring.database, sign_in(site, user), ban(site, user))
    assert (entered, banned) == (None, None)
    assert await count(enduring) == 0


async def opens(identity: Identity, proof: Proof) -> bool:
    opened = await identity.database.transaction(
        "tests.open", lambda transaction: identity.sessions.open(transaction, proof, HERE)
    )
    return opened is not None


@pytest.mark.parametrize("method", Method)
async def test_no_method_opens_a_session_of_a_banned_or_unknown_user(identity: Identity, method: Method) -> None:
    user, _ = await identity.sign_up()
    await identity.sessions.revoke_all(user.id)
    assert await opens(identity, Proof(user.id, method))
    assert not await opens(identity, Proof("nobody", method))
    await identity.administration.ban(user.id, "", None, actor="service:ops")
    assert not await opens(identity, Proof(user.id, method))
    assert await count(identity) == 0


@pytest.mark.parametrize("method", Method)
async def test_a_method_that_is_not_exempt_requires_a_verified_email(
    identity: Identity, hasher: Hasher, method: Method
) -> None:
    """A new method requires a verified email until it is exempted."""
    user, _ = await identity.sign_up()
    required = mailing(identity, hasher, EmailRules(require_verification=True))
    strict = replace(identity, sessions=required.sessions)
    assert await opens(strict, Proof(user.id, method)) is (method in EXEMPT_FROM_VERIFICATION)
    await required.execute(update(schema.users).where(schema.users.c.id == user.id).values(email_verified=True))
    assert await opens(strict, Proof(user.id, method))


def test_nothing_but_the_gate_inserts_a_session() -> None:
    """A grep that a reader would do; an import copies sessions of another system, and is no sign-in."""
    root = Path(__file__).parents[4] / "services" / "identity"
    inserting = [
        path.name for path in root.rglob("*.py") if re.search(r"insert\((schema\.)?sessions\b", path.read_text())
    ]
    assert inserting == ["session_gate.py"]


def _statement_of(user_id: str, method: Method) -> StaticInsert:
    password_hash = "hash" if method in (Method.PASSWORD, Method.PASSWORD_CHANGE) else None
    proof = Proof(user_id, method, password_hash)
    return insert_if_proved(proof, {}, utc_now(), requires_verification=method is Method.PASSWORD)[0]


def test_the_statement_is_built_once_for_each_kind_of_proof() -> None:
    """A13: SQLAlchemy builds and keys a statement that is new to it, which costs more than to send it."""
    first, second = ([_statement_of(user, method) for method in Method] for user in ("ann", "bob"))
    assert len({str(each.statement) for each in first}) == 3
    assert all(one is other for one, other in zip(first, second, strict=True))
