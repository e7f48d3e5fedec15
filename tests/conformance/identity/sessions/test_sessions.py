"""Sessions on every engine."""

import asyncio

import pytest
from sqlalchemy import insert, update

from runtime.errors import InvalidArgument, NotFound, Unavailable
from runtime.ids import new_id
from services.identity import schema
from services.identity.sessions.session import Origin, Revocation
from services.identity.store.faults.errors import OrphanError
from tests.conformance.identity.conftest import PASSWORD, Identity


async def _set(identity: Identity, user_id: str, **values: object) -> None:
    await identity.database.transaction(
        "tests.set",
        lambda transaction: transaction.execute(
            update(schema.users).where(schema.users.c.id == user_id).values(**values)
        ),
    )


async def test_a_token_opens_its_session_and_says_whose_it_is(identity: Identity) -> None:
    user, token = await identity.sign_up(ip_address="10.0.0.1", user_agent="curl")
    found = await identity.sessions.verify(token)
    assert found.user == user
    assert (found.session.user_id, found.session.ip_address, found.session.user_agent) == (user.id, "10.0.0.1", "curl")
    assert found.session.created_at == identity.clock()


async def test_a_token_that_nobody_has_opens_nothing(identity: Identity) -> None:
    await identity.sign_up()
    with pytest.raises(NotFound, match="opens no session"):
        await identity.sessions.verify(new_id())


async def test_a_session_ends_seven_days_after_its_last_refresh(identity: Identity) -> None:
    """S3: expiry is enforced here, by a clock that the test moves."""
    _, token = await identity.sign_up()
    identity.clock.move(days=7, milliseconds=-1)
    await identity.sessions.verify(token)
    identity.clock.move(milliseconds=1)
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)
    with pytest.raises(NotFound):
        await identity.sessions.refresh(token)


async def test_an_unremembered_session_lasts_a_day_and_is_never_refreshed(identity: Identity) -> None:
    _, token = await identity.sign_up(remember=False)
    identity.clock.move(hours=23)
    assert (await identity.sessions.refresh(token))[1] is False
    identity.clock.move(hours=1)
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)


async def test_a_banned_user_has_no_session_until_the_ban_ends(identity: Identity) -> None:
    """S4: a ban is felt at the next look at the database."""
    user, token = await identity.sign_up()
    identity.clock.move(hours=1)
    ends = identity.clock()
    identity.clock.move(hours=-1)
    await _set(identity, user.id, banned=True, ban_expires=ends)
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)
    identity.clock.move(hours=1)
    await identity.sessions.verify(token)


async def test_a_session_slides_when_a_day_old_and_not_before(identity: Identity) -> None:
    """S3: at most once per interval."""
    _, token = await identity.sign_up()
    before = await identity.sessions.verify(token)
    identity.clock.move(days=1, milliseconds=-1)
    assert await identity.sessions.refresh(token) == (before, False)
    identity.clock.move(milliseconds=1)
    assert identity.clock() == before.slides_at
    after, refreshed = await identity.sessions.refresh(token)
    assert refreshed
    assert after.session.expires_at == identity.clock() + (before.session.expires_at - before.session.created_at)
    assert await identity.sessions.verify(token) == after


async def test_of_twenty_refreshes_at_once_one_wins(identity: Identity) -> None:
    _, token = await identity.sign_up()
    identity.clock.move(days=2)
    done = await asyncio.gather(*(identity.sessions.refresh(token) for _ in range(20)))
    assert [won for _, won in done].count(True) == 1
    assert len({found.session.expires_at for found, _ in done}) == 1


async def test_checking_a_session_writes_nothing(identity: Identity) -> None:
    _, token = await identity.sign_up()
    identity.clock.move(days=3)
    before = await identity.sessions.verify(token)
    assert await identity.sessions.verify(token) == before
    assert identity.cache.told == []


async def test_a_signed_out_session_is_gone_and_caches_know(identity: Identity) -> None:
    _, token = await identity.sign_up()
    session = (await identity.sessions.verify(token)).session
    assert (await identity.sessions.sign_out(token)).count == 1
    assert identity.cache.told == [(f"session:{session.id}",)]
    assert (await identity.sessions.sign_out(token)).count == 0
    with pytest.raises(NotFound):
        await identity.sessions.verify(token)


async def test_an_end_is_confirmed_if_every_cache_has_dropped_it(identity: Identity) -> None:
    user, token = await identity.sign_up()
    assert await identity.sessions.sign_out(token) == Revocation(1, confirmed=True)
    for _ in range(2):
        await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())
    assert await identity.sessions.revoke_all(user.id) == Revocation(2, confirmed=True)


async def test_an_end_that_some_cache_has_not_confirmed_is_not(identity: Identity) -> None:
    """Asked again, it is not either: there is nothing to end, and the caches are still to hear of it."""
    user, token = await identity.sign_up()
    identity.cache.confirms = False
    assert await identity.sessions.revoke(user.id, token=token) == Revocation(1, confirmed=False)
    identity.cache.confirms = True
    assert await identity.sessions.revoke(user.id, token=token) == Revocation(0, confirmed=False)
    assert await identity.sessions.revoke_all(user.id) == Revocation(0, confirmed=False)


async def test_an_end_that_the_cache_did_not_hear_of_is_not_confirmed(identity: Identity) -> None:
    _, token = await identity.sign_up()
    identity.cache.error = Unavailable("CACHE_UNAVAILABLE", "away")
    assert await identity.sessions.sign_out(token) == Revocation(1, confirmed=False)


async def test_a_session_is_revoked_by_id_or_token_but_never_by_another_user(identity: Identity) -> None:
    """I6: whose it is stands in the statement."""
    ann, token = await identity.sign_up()
    bob, _ = await identity.sign_up("bob@x.io")
    session = (await identity.sessions.verify(token)).session
    assert (await identity.sessions.revoke(bob.id, session_id=session.id)).count == 0
    assert (await identity.sessions.revoke(bob.id, token=token)).count == 0
    assert (await identity.sessions.revoke(ann.id, session_id=session.id)).count == 1
    again = await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())
    assert (await identity.sessions.revoke(ann.id, token=again.opened.token)).count == 1


async def test_all_sessions_end_but_the_one_to_keep(identity: Identity) -> None:
    user, token = await identity.sign_up()
    for _ in range(3):
        await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())
    keep = (await identity.sessions.verify(token)).session.id
    assert (await identity.sessions.revoke_others(user.id, keep)).count == 3
    assert identity.cache.told == [(f"sessions:{user.id}",)]
    assert [session.id for session in await identity.sessions.list(user.id, 10)] == [keep]
    assert (await identity.sessions.revoke_all(user.id)).count == 1
    assert (await identity.sessions.revoke_all(user.id)).count == 0


async def test_what_is_to_be_kept_must_be_an_active_session_of_the_user(identity: Identity) -> None:
    """S4: else every session would end, the caller's own too."""
    ann, token = await identity.sign_up()
    bob, _ = await identity.sign_up("bob@x.io", remember=False)
    (others,) = await identity.sessions.list(bob.id, 10)
    own = (await identity.sessions.verify(token)).session.id
    for keep in ("x", "", others.id):
        with pytest.raises(InvalidArgument) as refused:
            await identity.sessions.revoke_others(ann.id, keep)
        assert refused.value.reason == "UNKNOWN_SESSION"
    assert [session.id for session in await identity.sessions.list(ann.id, 10)] == [own]
    identity.clock.move(hours=25)
    with pytest.raises(InvalidArgument):
        await identity.sessions.revoke_others(bob.id, others.id)  # it has expired


async def test_an_active_session_is_found_by_id_for_its_user_alone(identity: Identity) -> None:
    ann, token = await identity.sign_up(remember=False)
    bob, _ = await identity.sign_up("bob@x.io")
    session = (await identity.sessions.verify(token)).session
    assert await identity.sessions.find(ann.id, session.id) == session
    assert await identity.sessions.find(bob.id, session.id) is None
    identity.clock.move(hours=25)
    assert await identity.sessions.find(ann.id, session.id) is None


async def test_sessions_are_listed_newest_first_page_by_page_without_the_expired(identity: Identity) -> None:
    user, _ = await identity.sign_up(remember=False)
    identity.clock.move(hours=25)
    tokens = []
    for number in range(5):
        identity.clock.move(seconds=number // 2)  # some are of the same millisecond
        tokens.append((await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())).opened.token)
    newest_first = await identity.sessions.list(user.id, 10)
    assert [session.created_at for session in newest_first] == sorted(
        (s.created_at for s in newest_first), reverse=True
    )
    assert len(newest_first) == 5
    pages, after = [], None
    while page := await identity.sessions.list(user.id, 2, after):
        pages += page
        after = (page[-1].created_at, page[-1].id)
    assert pages == newest_first


async def test_no_token_is_stored(identity: Identity) -> None:
    """S1: a dump of every table holds no token that was handed out."""
    _, token = await identity.sign_up()
    for table in schema.metadata.sorted_tables:
        for row in await identity.database.rows("tests.dump", table.select()):
            assert token not in repr(row)


async def test_a_session_of_a_user_that_is_gone_is_refused(identity: Identity) -> None:
    """The foreign key holds on SQLite too."""
    opened = identity.sessions.prepare(new_id(), Origin())
    with pytest.raises(OrphanError):
        await identity.database.transaction(
            "tests.orphan", lambda transaction: transaction.execute(insert(schema.sessions).values(**opened.row))
        )
