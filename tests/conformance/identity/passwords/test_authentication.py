"""Signing up and in, and changing passwords, on every engine."""

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServiceError,
    Unauthenticated,
)
from runtime.ids import new_id
from services.identity import schema
from services.identity.passwords.credentials import Credential, Credentials
from services.identity.passwords.sign_up import NewUser, SignUpResult
from services.identity.sessions.session import Origin
from tests.conformance.identity.conftest import PASSWORD, Identity

NEW_PASSWORD = "a better horse battery"
HERE = Origin("10.0.0.1", "tests")


async def _count(identity: Identity, table: Any) -> int:
    row = await identity.database.row("tests.count", select(func.count()).select_from(table))
    assert row is not None
    return int(row[0])


async def _reason(call: Any) -> str:
    with pytest.raises(ServiceError) as caught:
        await call
    return caught.value.reason


async def test_who_signs_up_can_sign_in_whatever_the_case_of_the_address(identity: Identity) -> None:
    user, _ = await identity.sign_up("Ann@X.io")
    assert user.email == "ann@x.io"
    done = await identity.authentication.sign_in("ANN@x.IO", PASSWORD, HERE)
    assert done.user == user
    assert (await identity.sessions.verify(done.opened.token)).session == done.opened.session


async def test_an_address_that_is_taken_is_refused(identity: Identity) -> None:
    await identity.sign_up()
    with pytest.raises(AlreadyExists) as caught:
        await identity.sign_up("ANN@X.IO")
    assert caught.value.reason == "EMAIL_TAKEN"
    assert [await _count(identity, table) for table in (schema.users, schema.accounts, schema.sessions)] == [1, 1, 1]


async def test_of_fifty_sign_ups_at_once_with_one_address_one_makes_an_account(identity: Identity) -> None:
    done = await asyncio.gather(*(identity.sign_up() for _ in range(50)), return_exceptions=True)
    assert [isinstance(each, tuple) for each in done].count(True) == 1
    assert {each.reason for each in done if isinstance(each, ServiceError)} == {"EMAIL_TAKEN"}
    assert [await _count(identity, table) for table in (schema.users, schema.accounts, schema.sessions)] == [1, 1, 1]


async def test_an_unknown_user_and_a_wrong_password_are_refused_alike(identity: Identity) -> None:
    """A3: alike in every word."""
    await identity.sign_up()
    errors = []
    for email in ("ann@x.io", "nobody@x.io"):
        with pytest.raises(Unauthenticated) as caught:
            await identity.authentication.sign_in(email, "wrong horse battery", HERE)
        errors.append((caught.value.reason, caught.value.message, caught.value.metadata))
    assert errors[0] == errors[1]
    assert errors[0][0] == "INVALID_EMAIL_OR_PASSWORD"


async def test_a_ban_is_told_after_the_right_password_only(identity: Identity) -> None:
    """A3."""
    user, _ = await identity.sign_up()
    change = update(schema.users).where(schema.users.c.id == user.id).values(banned=True)
    await identity.database.transaction("tests.ban", lambda transaction: transaction.execute(change))
    assert (
        await _reason(identity.authentication.sign_in("ann@x.io", "wrong horse", HERE)) == "INVALID_EMAIL_OR_PASSWORD"
    )
    with pytest.raises(PermissionDenied) as caught:
        await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    assert caught.value.reason == "BANNED_USER"


async def test_a_user_without_a_password_cannot_use_one(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    gone = delete(schema.accounts).where(schema.accounts.c.user_id == user.id)
    await identity.database.transaction("tests.delete", lambda transaction: transaction.execute(gone))
    assert await _reason(identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)) == "INVALID_EMAIL_OR_PASSWORD"
    with pytest.raises(FailedPrecondition, match="no password"):
        await identity.authentication.verify_password(user.id, PASSWORD)
    with pytest.raises(NotFound):
        await identity.authentication.verify_password(new_id(), PASSWORD)


@pytest.mark.parametrize(("end_others", "left"), [(None, 1), (True, 1), (False, 3)])
async def test_a_change_of_password_ends_what_it_is_asked_to(
    identity: Identity, end_others: bool | None, left: int
) -> None:
    """A6, S2: unset, the asking session stays; True, not even that one."""
    user, token = await identity.sign_up()
    for _ in range(2):
        await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    mine = (await identity.sessions.verify(token)).session.id
    _, opened = await identity.authentication.change_password(
        user.id, PASSWORD, NEW_PASSWORD, end_others=end_others, keep=mine, origin=HERE
    )
    sessions = {session.id for session in await identity.sessions.list(user.id, 10)}
    assert len(sessions) == left
    assert (mine in sessions) is (end_others is not True)
    assert (opened is not None and opened.session.id in sessions) is (end_others is True)
    assert (f"sessions:{user.id}",) in identity.cache.told or end_others is False
    await identity.authentication.sign_in("ann@x.io", NEW_PASSWORD, HERE)
    assert await _reason(identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)) == "INVALID_EMAIL_OR_PASSWORD"


async def test_a_change_of_password_needs_the_current_one(identity: Identity) -> None:
    """A2 (6.2.3)."""
    user, _ = await identity.sign_up()
    change = identity.authentication.change_password
    wrong = change(user.id, "wrong horse battery", NEW_PASSWORD, end_others=None, keep="", origin=HERE)
    assert await _reason(wrong) == "INVALID_PASSWORD"
    short = change(user.id, PASSWORD, "short", end_others=None, keep="", origin=HERE)
    assert await _reason(short) == "PASSWORD_TOO_SHORT"
    common = change(user.id, PASSWORD, "password123", end_others=None, keep="", origin=HERE)
    assert await _reason(common) == "PASSWORD_TOO_COMMON"


async def test_of_two_changes_at_once_one_wins(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    done = await asyncio.gather(
        *(
            identity.authentication.change_password(
                user.id, PASSWORD, f"{NEW_PASSWORD} {number}", end_others=None, keep="", origin=HERE
            )
            for number in range(4)
        ),
        return_exceptions=True,
    )
    assert [isinstance(each, InvalidArgument) for each in done].count(False) == 1


@pytest.mark.parametrize(
    "email", ["nope", "a@b", "@x.io", "a b@x.io", "a@x.io\n", ".a@x.io", "a..b@x.io", "a" * 252 + "@x.io"]
)
async def test_what_is_no_address_is_refused(identity: Identity, email: str) -> None:
    assert await _reason(identity.sign_up(email)) == "INVALID_EMAIL"
    assert await _reason(identity.authentication.sign_in(email, PASSWORD, HERE)) == "INVALID_EMAIL"


async def test_the_same_sign_up_twice_answers_the_same_user_with_a_new_session(identity: Identity) -> None:
    """R25: one effect."""
    new = NewUser("Ann", "ann@x.io", PASSWORD)
    first = await identity.sign_ups.sign_up(new, HERE, caller="gateway", request_id="r-1")
    second = await identity.sign_ups.sign_up(new, HERE, caller="gateway", request_id="r-1")
    assert first.user == second.user
    assert first.opened is not None
    assert second.opened is not None
    assert first.opened.token != second.opened.token
    assert await _count(identity, schema.users) == 1
    assert await _count(identity, schema.sessions) == 2


@pytest.mark.parametrize(
    "other",
    [
        NewUser("Bob", "ann@x.io", PASSWORD),
        NewUser("Ann", "bob@x.io", PASSWORD),
        NewUser("Ann", "ann@x.io", NEW_PASSWORD),
        NewUser("Ann", "ann@x.io", PASSWORD, "https://x.io/a.png"),
    ],
)
async def test_a_request_id_with_another_body_is_refused(identity: Identity, other: NewUser) -> None:
    """R25: a password is part of the body, though no fast hash of it is kept."""
    await identity.sign_ups.sign_up(NewUser("Ann", "ann@x.io", PASSWORD), HERE, caller="gateway", request_id="r")
    again = identity.sign_ups.sign_up(other, HERE, caller="gateway", request_id="r")
    assert await _reason(again) == "REQUEST_ID_REUSED"


async def test_request_ids_belong_to_their_caller(identity: Identity) -> None:
    """R25."""
    ann, bob = NewUser("Ann", "ann@x.io", PASSWORD), NewUser("Bob", "bob@x.io", PASSWORD)
    first = await identity.sign_ups.sign_up(ann, HERE, caller="gateway", request_id="r")
    second = await identity.sign_ups.sign_up(bob, HERE, caller="billing", request_id="r")
    assert first.user.id != second.user.id


async def test_twenty_of_the_same_request_at_once_make_one_user(identity: Identity) -> None:
    """R25: in parallel."""
    new = NewUser("Ann", "ann@x.io", PASSWORD)
    done = await asyncio.gather(
        *(identity.sign_ups.sign_up(new, HERE, caller="gateway", request_id="r") for _ in range(20))
    )
    assert len({each.user.id for each in done}) == 1
    assert len({each.opened and each.opened.token for each in done}) == 20
    assert await _count(identity, schema.users) == 1


class Overtaken(Credentials):
    """Has a twin of the request commit right before the address is looked for."""

    twin: Callable[[], Awaitable[SignUpResult]]
    answered: SignUpResult | None = None

    async def by_email(self, email: str) -> Credential | None:
        if self.answered is None:
            self.answered = await self.twin()
        return await super().by_email(email)


async def test_a_request_that_its_twin_overtakes_answers_the_same_user(identity: Identity) -> None:
    """R25: the twin was not there when its answer was looked for, and is there when its address is."""
    new, overtaken = NewUser("Ann", "ann@x.io", PASSWORD), Overtaken(identity.database, now=identity.clock)
    overtaken.twin = partial(identity.sign_ups.sign_up, new, HERE, caller="gateway", request_id="r")
    slower = copy(identity.sign_ups)
    slower._credentials = overtaken
    done = await slower.sign_up(new, HERE, caller="gateway", request_id="r")
    assert overtaken.answered is not None
    assert done.user == overtaken.answered.user
    assert done.opened is not None
    assert overtaken.answered.opened is not None
    assert done.opened.token != overtaken.answered.opened.token


@pytest.mark.parametrize("request_id", ["with space", "é", "x" * 129, "\n"])
async def test_a_request_id_out_of_shape_is_refused(identity: Identity, request_id: str) -> None:
    new = NewUser("Ann", "ann@x.io", PASSWORD)
    call = identity.sign_ups.sign_up(new, HERE, caller="gateway", request_id=request_id)
    assert await _reason(call) == "INVALID_REQUEST_ID"


async def test_a_session_is_fresh_for_a_day_after_it_was_opened_however_it_slides(identity: Identity) -> None:
    """S7."""
    ann, token = await identity.sign_up()
    session = (await identity.sessions.verify(token)).session

    async def verify(session_id: str) -> None:
        await identity.database.transaction(
            "tests.fresh", lambda within: identity.sessions.verify_fresh(within, ann.id, session_id)
        )

    await verify(session.id)
    identity.clock.move(hours=23, minutes=59)
    await verify(session.id)
    identity.clock.move(minutes=1)
    assert (await identity.sessions.refresh(token))[1], "it slides, and is no fresher"
    for session_id in (session.id, "", "another"):
        with pytest.raises(FailedPrecondition) as refused:
            await verify(session_id)
        assert refused.value.reason == "SESSION_NOT_FRESH"
