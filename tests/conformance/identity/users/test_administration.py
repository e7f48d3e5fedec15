"""Roles and bans on every engine."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ServiceError
from runtime.ids import new_id
from services.identity import schema
from services.identity.outbox.audit import TOPIC, Audit
from services.identity.sessions.session import Origin
from services.identity.users.administration import Administration
from services.identity.users.users import Order, Role, User, UserFilter
from tests.conformance.identity.conftest import OPERATOR, PASSWORD, Identity


@pytest.fixture
def admin(identity: Identity) -> Administration:
    return identity.administration


async def _events(identity: Identity) -> list[tuple[str, str, str]]:
    """Return what happened, by whom and why, but for sign-ups and sign-ins."""
    rows = await identity.database.rows(
        "tests.audit",
        select(schema.outbox.c.payload).where(schema.outbox.c.topic == TOPIC).order_by(schema.outbox.c.id),
    )
    events = [json.loads(row.payload) for row in rows]
    return [(e["happened"], e["actor"], e["detail"]) for e in events if not e["happened"].startswith("sign")]


async def _one(identity: Identity, admin: Administration, role: Role) -> User:
    user, _ = await identity.sign_up(f"{new_id().lower()}@x.io")
    return (await admin.set_role(user.id, role, actor=OPERATOR)).user if role is Role.ADMIN else user


async def _refused(reason: str, kind: type[ServiceError], call: object) -> None:
    with pytest.raises(kind) as caught:
        await call  # type: ignore[misc]  # a coroutine
    assert caught.value.reason == reason


async def test_a_ban_ends_sessions_in_the_same_transaction_and_caches_are_told(
    identity: Identity, admin: Administration
) -> None:
    """S4: what a ban leaves is no session, and nothing of the user in a cache."""
    user, token = await identity.sign_up()
    await identity.authentication.sign_in(user.email, PASSWORD, Origin())
    identity.cache.told.clear()
    changed = await admin.ban(user.id, "spam", None, actor=OPERATOR)
    assert changed.sessions_ended == 2
    assert (changed.user.banned, changed.user.ban_reason, changed.user.ban_expires) == (True, "spam", None)
    assert changed.user == await identity.users.find(user.id)
    assert {tag for tags in identity.cache.told for tag in tags} == {f"user:{user.id}", f"sessions:{user.id}"}
    assert await _events(identity) == [("banned", OPERATOR, "spam")]
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)


@pytest.mark.parametrize("reason", ["\x1b[2J", "two\nlines", "\x7f", "\x9b", "x" * 513])
async def test_a_reason_that_no_terminal_may_be_shown_bans_nobody(
    identity: Identity, admin: Administration, reason: str
) -> None:
    """I3: one rule, whoever asks."""
    user, token = await identity.sign_up()
    await _refused("INVALID_REASON", InvalidArgument, admin.ban(user.id, reason, None, actor=OPERATOR))
    assert (await identity.sessions.verify(token)).user == user


async def test_a_ban_that_cannot_be_written_ends_nothing(
    identity: Identity, admin: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: sessions, the user's row and the event are one transaction."""
    user, token = await identity.sign_up()

    async def fail(*_: object) -> None:
        raise RuntimeError("the audit event cannot be written")

    monkeypatch.setattr(Audit, "record", fail)
    with pytest.raises(RuntimeError):
        await admin.ban(user.id, "spam", None, actor=OPERATOR)
    assert (await identity.sessions.verify(token)).user == user


async def test_a_banned_user_is_told_so_after_the_right_password_alone(
    identity: Identity, admin: Administration
) -> None:
    """A3, A7."""
    user, _ = await identity.sign_up()
    await admin.ban(user.id, "", None, actor=OPERATOR)
    with pytest.raises(PermissionDenied) as caught:
        await identity.authentication.sign_in(user.email, PASSWORD, Origin())
    assert caught.value.reason == "BANNED_USER"
    with pytest.raises(ServiceError) as wrong:
        await identity.authentication.sign_in(user.email, "another password", Origin())
    assert wrong.value.reason == "INVALID_EMAIL_OR_PASSWORD"


async def test_a_ban_that_has_run_out_lets_in_again(identity: Identity, admin: Administration) -> None:
    user, _ = await identity.sign_up()
    until = identity.clock() + timedelta(hours=1)
    assert (await admin.ban(user.id, "cool down", until, actor=OPERATOR)).user.ban_expires == until
    identity.clock.move(minutes=59)
    await _refused("BANNED_USER", PermissionDenied, identity.authentication.sign_in(user.email, PASSWORD, Origin()))
    identity.clock.move(minutes=1)
    await identity.authentication.sign_in(user.email, PASSWORD, Origin())


async def test_unbanning_lets_in_and_takes_the_reason_away(identity: Identity, admin: Administration) -> None:
    user, _ = await identity.sign_up()
    await admin.ban(user.id, "spam", identity.clock() + timedelta(hours=1), actor=OPERATOR)
    identity.clock.move(seconds=1)
    let_in = (await admin.unban(user.id, actor=OPERATOR)).user
    assert let_in == replace(user, updated_at=identity.clock()) == await identity.users.find(user.id)
    assert (await admin.unban(user.id, actor=OPERATOR)).user == let_in, "twice is no error"
    await identity.authentication.sign_in(user.email, PASSWORD, Origin())
    assert [happened for happened, _, _ in await _events(identity)] == ["banned", "unbanned"]


async def test_a_new_role_ends_sessions_and_the_same_role_does_not(identity: Identity, admin: Administration) -> None:
    """S2."""
    user, token = await identity.sign_up()
    changed = await admin.set_role(user.id, Role.ADMIN, actor=OPERATOR)
    assert (changed.user.role, changed.sessions_ended) == (Role.ADMIN, 1)
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)
    await identity.authentication.sign_in(user.email, PASSWORD, Origin())
    assert (await admin.set_role(user.id, Role.ADMIN, actor=OPERATOR)).sessions_ended == 0
    assert await _events(identity) == [("role_changed", OPERATOR, "admin")]


async def test_the_last_administrator_is_neither_demoted_nor_banned(identity: Identity, admin: Administration) -> None:
    """An administrator whom a ban keeps out is none; one whose ban has run out is one again."""
    first, second = await _one(identity, admin, Role.ADMIN), await _one(identity, admin, Role.ADMIN)
    await admin.ban(second.id, "", identity.clock() + timedelta(hours=1), actor=OPERATOR)
    await _refused("LAST_ADMIN", FailedPrecondition, admin.set_role(first.id, Role.USER, actor=first.id))
    await _refused("LAST_ADMIN", FailedPrecondition, admin.ban(first.id, "", None, actor=OPERATOR))
    identity.clock.move(hours=1)
    await admin.ban(first.id, "", None, actor=second.id)


async def test_nobody_bans_themselves(identity: Identity, admin: Administration) -> None:
    first, _ = await _one(identity, admin, Role.ADMIN), await _one(identity, admin, Role.ADMIN)
    await _refused("CANNOT_BAN_YOURSELF", FailedPrecondition, admin.ban(first.id, "", None, actor=first.id))


async def test_administrators_who_demote_each_other_at_once_leave_one(
    identity: Identity, admin: Administration
) -> None:
    """The rows are locked: without that each would see the other, and both would go."""
    left = await _one(identity, admin, Role.ADMIN)
    for _ in range(5):
        both = [left, await _one(identity, admin, Role.ADMIN)]
        calls = [
            admin.set_role(each.id, Role.USER, actor=other.id) for each, other in zip(both, both[::-1], strict=True)
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(each, FailedPrecondition) for each in outcomes) == 1, outcomes
        (left,) = await identity.users.list(UserFilter(role=Role.ADMIN), Order.NEWEST, 10)


async def test_unknown_users_are_not_found(identity: Identity, admin: Administration) -> None:
    for call in (
        admin.set_role(new_id(), Role.ADMIN, actor=OPERATOR),
        admin.ban(new_id(), "", None, actor=OPERATOR),
        admin.unban(new_id(), actor=OPERATOR),
        admin.end_sessions(new_id(), actor=OPERATOR),
    ):
        await _refused("USER_NOT_FOUND", NotFound, call)
    assert await _events(identity) == []


async def test_a_user_who_was_made_signs_in(identity: Identity, admin: Administration) -> None:
    credential = await identity.credentials.by_user((await identity.sign_up())[0].id)
    assert credential is not None
    made = await admin.create(
        "Root@x.io", "Root", credential.password or "", role=Role.ADMIN, email_verified=True, actor=OPERATOR
    )
    assert (made.email, made.role, made.email_verified) == ("root@x.io", Role.ADMIN, True)
    assert (await identity.authentication.sign_in("root@x.io", PASSWORD, Origin())).user == made
    again = admin.create("root@x.io", "Root", "", role=Role.USER, email_verified=False, actor=OPERATOR)
    await _refused("EMAIL_TAKEN", AlreadyExists, again)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ada", {"Ada Lovelace", "ADA ADA", "ada small"}),
        ("ADA L", {"Ada Lovelace"}),
        ("grace", {"Grace"}),
        ("a_", {"a_b"}),
        ("100%", {"100% Bob"}),
        ("%", set()),
        ("_", set()),
        ("love", set()),
        ("mail", {"Zoë"}),
    ],
)
async def test_people_are_found_by_the_beginning_of_name_or_address(
    identity: Identity, query: str, found: set[str]
) -> None:
    """I2."""
    people = {"Ada Lovelace": "x1", "ADA ADA": "x2", "ada small": "x3", "Grace": "x4", "a_b": "x5", "axb": "x6"}
    for name, address in (people | {"100% Bob": "x7", "1000 Bob": "x8", "Zoë": "mail"}).items():
        user, _ = await identity.sign_up(f"{address}@x.io")
        await identity.users.update(user.id, {"name": name})
    wanted = UserFilter(query=query)
    users = await identity.users.list(wanted, Order.NAME, 100)
    assert {user.name for user in users} == found
    assert [user.name for user in users] == sorted(user.name for user in users)
    assert await identity.users.count(wanted) == len(found)
    assert await identity.users.count(replace(wanted, email_verified=True)) == 0


async def test_one_session_is_ended_with_its_event_and_another_users_is_not(
    identity: Identity, admin: Administration
) -> None:
    user, _ = await identity.sign_up()
    other, _ = await identity.sign_up("bob@x.io")
    (mine,) = await identity.sessions.list(user.id, 10)
    (theirs,) = await identity.sessions.list(other.id, 10)
    assert (await admin.end_session(user.id, theirs.id, actor=OPERATOR)).sessions_ended == 0
    assert await _events(identity) == []
    identity.cache.told.clear()
    assert (await admin.end_session(user.id, mine.id, actor=OPERATOR)).sessions_ended == 1
    assert identity.cache.told == [(f"session:{mine.id}",)]
    assert await _events(identity) == [("sessions_revoked", OPERATOR, "one session")]
    assert [len(await identity.sessions.list(each.id, 10)) for each in (user, other)] == [0, 1]
    await _refused("USER_NOT_FOUND", NotFound, admin.end_session(new_id(), mine.id, actor=OPERATOR))
