"""A product's own fields as every engine keeps them: changed one by one, bounded, told to caches."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from identity_rules.custom_fields import Field
from runtime.errors import InvalidArgument, NotFound
from services.identity.passwords.sign_up import NewUser
from services.identity.sessions.session import Origin
from services.identity.sessions.session import tag_of as session_tag
from services.identity.users import custom_fields
from services.identity.users.users import tag_of as user_tag
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.statements import Sent, sent_to, work_of

ODD = 'caf\u00e9 \U0001f98a \x00 \\ " \u2028'


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    """Two fields of users, one of them with a default and one of sessions that is never answered."""
    custom_fields.declare(
        {"phone": Field("string"), "age": Field("number", default=7)},
        {"theme": Field("string"), "note": Field("string", returned=False)},
    )
    yield
    custom_fields.declare({}, {})


def values(shown: dict[str, Any] | None) -> dict[str, Any]:
    assert shown is not None
    return shown


def verbs(sent: list[Sent]) -> list[str]:
    """Return what is done, less what the outbox does by itself once caches know."""
    return [each.verb for each in work_of(sent) if not each.text.startswith("DELETE FROM outbox")]


async def test_values_come_back_as_they_were_given_and_others_stay(identity: Identity) -> None:
    user, token = await identity.sign_up()
    assert values(custom_fields.fields_of_users.returned(user.additional)) == {"phone": None, "age": 7}
    await identity.users.update(user.id, {}, {"phone": ODD})
    changed = await identity.users.update(user.id, {"name": "Bob"}, {"age": 1.5})
    assert values(custom_fields.fields_of_users.returned(changed.additional)) == {"phone": ODD, "age": 1.5}
    assert await identity.users.find(user.id) == changed
    assert (await identity.sessions.verify(token)).user == changed


async def test_values_given_at_sign_up_are_kept_in_the_same_statements(identity: Identity) -> None:
    with sent_to(identity.database) as plain:
        await identity.sign_up("plain@x.io")
    new = NewUser("Ann", "fields@x.io", PASSWORD, additional=custom_fields.merged(None, {"phone": "+1"}))
    with sent_to(identity.database) as more:
        signed_up = await identity.sign_ups.sign_up(new, Origin())
    assert values(custom_fields.fields_of_users.returned(signed_up.user.additional))["phone"] == "+1"
    assert verbs(more) == verbs(plain)
    assert await identity.users.find(signed_up.user.id) == signed_up.user


async def test_an_update_of_fields_takes_no_statement_more_than_one_of_a_name(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    with sent_to(identity.database) as plain:
        await identity.users.update(user.id, {"name": "Bob"})
    with sent_to(identity.database) as more:
        await identity.users.update(user.id, {"name": "Bob"}, {"phone": "+1"})
    assert verbs(more) == verbs(plain) == ["SELECT", "UPDATE", "INSERT"]


async def test_twenty_changes_at_once_lose_none(identity: Identity) -> None:
    """Each reads what is there and writes all of it: without the lock the last would win."""
    user, token = await identity.sign_up()
    session = (await identity.sessions.verify(token)).session
    names = [f"field{number}" for number in range(10)]
    custom_fields.declare(dict.fromkeys(names, Field("string")), dict.fromkeys(names, Field("string")))
    await asyncio.gather(
        *(identity.users.update(user.id, {}, {name: name}) for name in names),
        *(identity.sessions.update(user.id, session.id, {name: name}) for name in names),
    )
    found = await identity.sessions.verify(token)
    everything = {name: name for name in names}
    assert values(custom_fields.fields_of_users.returned(found.user.additional)) == everything
    assert values(custom_fields.fields_of_sessions.returned(found.session.additional)) == everything


async def test_a_sessions_fields_change_nothing_else_of_it_and_caches_know(identity: Identity) -> None:
    user, token = await identity.sign_up()
    before = await identity.sessions.verify(token)
    identity.clock.move(hours=1)
    identity.cache.told.clear()
    changed = await identity.sessions.update(user.id, before.session.id, {"theme": "dark", "note": "hush"})
    assert identity.cache.told == [(session_tag(changed.id),)]
    after = await identity.sessions.verify(token)
    assert after.session == changed
    assert (changed.updated_at, changed.expires_at) == (before.session.updated_at, before.session.expires_at)
    assert values(custom_fields.fields_of_sessions.returned(changed.additional)) == {"theme": "dark"}
    assert after.slides_at == before.slides_at


async def test_a_users_fields_are_told_to_caches(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    identity.cache.told.clear()
    await identity.users.update(user.id, {}, {"phone": "+1"})
    assert identity.cache.told == [(user_tag(user.id),)]


async def test_a_session_that_is_unknown_ended_or_anothers_is_not_found(identity: Identity) -> None:
    ann, token = await identity.sign_up()
    bob, _ = await identity.sign_up("bob@x.io")
    session = (await identity.sessions.verify(token)).session
    for user_id, session_id in ((bob.id, session.id), (ann.id, "x" * 32)):
        with pytest.raises(NotFound):
            await identity.sessions.update(user_id, session_id, {"theme": "dark"})
    identity.clock.move(days=8)
    with pytest.raises(NotFound):
        await identity.sessions.update(ann.id, session.id, {"theme": "dark"})


async def test_what_is_too_large_changes_nothing(identity: Identity) -> None:
    user, _ = await identity.sign_up()
    await identity.users.update(user.id, {}, {"phone": "x" * 16_000})
    with pytest.raises(InvalidArgument) as refused:
        await identity.users.update(user.id, {"name": "Bob"}, {"age": 1, "phone": "x" * 16_384})
    assert refused.value.reason == "ADDITIONAL_TOO_LARGE"
    kept = await identity.users.find(user.id)
    assert kept is not None
    assert (kept.name, values(custom_fields.fields_of_users.returned(kept.additional))["age"]) == ("Ann", 7)
