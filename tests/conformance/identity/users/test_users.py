"""Users on every engine."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from runtime.errors import NotFound
from runtime.ids import new_id
from services.identity import schema
from services.identity.store.database import Transaction
from services.identity.users.users import Order, Role, User, UserFilter
from tests.conformance.identity.conftest import OPERATOR, Identity


async def _add(identity: Identity, *emails: str, **values: object) -> None:
    """Insert users without going through a sign-up, one a second."""
    rows = []
    for email in emails:
        identity.clock.move(seconds=1)
        now = identity.clock()
        row = {"id": new_id(), "created_at": now, "updated_at": now, "email": email, "name": "Ann", "role": "user"}
        rows.append(row | {"email_verified": False, "banned": False} | values)

    async def work(transaction: Transaction) -> None:
        for row in rows:
            await transaction.execute(insert(schema.users).values(**row))

    await identity.database.transaction("tests.add", work)


async def _emails(identity: Identity, prefix: str = "", order: Order = Order.EMAIL, **wanted: Any) -> list[str]:
    found = await identity.users.list(UserFilter(prefix, **wanted), order, 100)
    return [user.email for user in found]


async def test_a_user_is_read_as_it_was_written(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    assert await identity.users.find(user.id) == user
    assert (user.role, user.banned, user.email_verified, user.image) == (Role.USER, False, False, None)
    assert user.created_at == user.updated_at == identity.clock()


async def test_an_unknown_user_is_none(identity: Identity) -> None:
    assert await identity.users.find(new_id()) is None


async def test_an_update_changes_what_it_names_and_caches_know(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    identity.clock.move(seconds=1)
    changed = await identity.users.update(user.id, {"name": "Zoë 🦊", "image": "https://x.io/a.png"})
    assert (changed.name, changed.image, changed.email) == ("Zoë 🦊", "https://x.io/a.png", user.email)
    assert changed.updated_at == identity.clock() > changed.created_at
    assert await identity.users.find(user.id) == changed
    assert identity.cache.told == [(f"user:{user.id}",)]
    assert (await identity.users.update(user.id, {"image": None})).image is None


async def test_an_update_that_changes_nothing_still_finds_its_user(identity: Identity) -> None:
    """MySQL counts changed rows unless it is asked for those found."""
    user, _ = await identity.sign_up()
    assert await identity.users.update(user.id, {"name": user.name}) == user


async def test_an_unknown_user_is_neither_changed_nor_removed(identity: Identity) -> None:
    with pytest.raises(NotFound):
        await identity.users.update(new_id(), {"name": "Bob"})
    with pytest.raises(NotFound):
        await identity.deletion.delete(new_id(), actor=OPERATOR)
    assert identity.cache.told == []


async def test_a_removed_user_leaves_nothing_behind(identity: Identity) -> None:
    user, token = await identity.sign_up()
    await identity.deletion.delete(user.id, actor=OPERATOR)
    assert identity.cache.told == [(f"user:{user.id}",)]
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)
    for table in (schema.users, schema.sessions, schema.accounts):
        row = await identity.database.row("tests.count", select(func.count()).select_from(table))
        assert row == (0,), table.name
    assert (await identity.sign_up())[0].id != user.id


async def test_a_list_is_filtered_by_prefix_role_and_ban(identity: Identity) -> None:
    await _add(identity, "ann@x.io", "anna@x.io", "bob@x.io")
    await _add(identity, "root@x.io", role="admin")
    await _add(identity, "mallory@x.io", banned=True)
    assert await _emails(identity, "AN") == ["ann@x.io", "anna@x.io"]
    assert await _emails(identity, role=Role.ADMIN) == ["root@x.io"]
    assert await _emails(identity, banned=True) == ["mallory@x.io"]
    assert await _emails(identity, "a", banned=True) == []
    assert await identity.users.count(UserFilter("an")) == 2


@pytest.mark.parametrize(("prefix", "found"), [("a_", ["a_b@x.io"]), ("100%", ["100%@x.io"]), ("a\\", []), ("'", [])])
async def test_what_like_would_obey_is_taken_as_it_is(identity: Identity, prefix: str, found: list[str]) -> None:
    """I2: a prefix is a value, never a pattern."""
    await _add(identity, "a_b@x.io", "axb@x.io", "100%@x.io", "1000@x.io")
    assert await _emails(identity, prefix) == found


@pytest.mark.parametrize("order", Order)
async def test_pages_follow_each_other_without_gap_or_double(identity: Identity, order: Order) -> None:
    await _add(identity, *(f"user{number}@x.io" for number in (3, 1, 4, 15, 9, 2, 6)))
    whole = await identity.users.list(UserFilter(), order, 100)
    column, backwards = order.value
    assert [getattr(user, column) for user in whole] == sorted(
        (getattr(user, column) for user in whole), reverse=backwards
    )
    pages: list[User] = []
    while page := await identity.users.list(UserFilter(), order, 3, after=_place(pages, column)):
        pages += page
    assert pages == whole
    assert await identity.users.list(UserFilter(), order, 3, offset=3) == whole[3:6]


def _place(pages: list[User], column: str) -> tuple[str, str] | None:
    return (getattr(pages[-1], column), pages[-1].id) if pages else None


async def test_emails_are_sorted_byte_by_byte(identity: Identity) -> None:
    await _add(identity, "b@x.io", "a-b@x.io", "ab@x.io", "é@x.io", "z@x.io")
    assert await _emails(identity) == ["a-b@x.io", "ab@x.io", "b@x.io", "z@x.io", "é@x.io"]
