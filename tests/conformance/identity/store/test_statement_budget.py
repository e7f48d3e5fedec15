"""How many statements a call costs, and how many transactions, on every engine."""

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from services.identity.passwords.credentials import Credential, Credentials
from services.identity.passwords.hashing import Hasher, HashingConfig
from services.identity.sessions.session import Origin
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.statements import Sent, sent_to, work_of

Budget = dict[str, int]
HERE = Origin("10.0.0.1", "tests")
NOTE = "INSERT INTO outbox"
"""Each is one line in the journal or one invalidation, written in the transaction of what it tells of."""


@pytest.fixture(autouse=True)
def _is_direct(request: pytest.FixtureRequest, url: str) -> None:
    if "pgbouncer" in request.node.name:
        pytest.skip("behind a pooler each statement is in a transaction, which costs two messages more")


async def spent(identity: Identity, call: Callable[[], Awaitable[object]]) -> Budget:
    """Make a call, and return how often it sent each kind of statement; a note to others is a kind of its own."""
    with sent_to(identity.database) as sent:
        await call()
        await identity.database.tasks.drain(2)
    # A note that was confirmed is removed in a transaction of its own, which no call waits for.
    afterwards = [each.loan for each in sent if each.text.startswith("DELETE FROM outbox")]
    return dict(Counter(_kind(each) for each in sent if each.loan not in afterwards))


def _kind(sent: Sent) -> str:
    return "note" if sent.text.startswith(NOTE) else sent.verb


def within(**statements: int) -> Budget:
    """A budget that is spent in one transaction."""
    return {"BEGIN": 1, "COMMIT": 1, **statements}


async def test_a_session_check_is_one_statement_in_no_transaction(identity: Identity) -> None:
    _, token = await identity.sign_up()
    assert await spent(identity, lambda: identity.sessions.verify(token)) == {"SELECT": 1}


async def test_a_sign_in_is_two_statements_and_its_note(identity: Identity) -> None:
    """The look at the password, and the session if it is still that password; beside it one line in the journal."""
    await identity.sign_up()
    cost = await spent(identity, lambda: identity.authentication.sign_in("ann@x.io", PASSWORD, HERE))
    assert cost == within(SELECT=1, INSERT=1, note=1)


async def test_a_sign_up_looks_once_and_writes_in_one_transaction(identity: Identity) -> None:
    """The user, their credential and their first session."""
    assert await spent(identity, identity.sign_up) == within(SELECT=1, INSERT=3, note=1)


async def test_reading_is_one_statement(identity: Identity) -> None:
    user, token = await identity.sign_up()
    session = (await identity.sessions.verify(token)).session
    for call in (
        lambda: identity.users.find(user.id),
        lambda: identity.sessions.list(user.id, 20),
        lambda: identity.sessions.find(user.id, session.id),
        lambda: identity.authentication.verify_password(user.id, PASSWORD),
    ):
        assert await spent(identity, call) == {"SELECT": 1}


async def test_a_refresh_writes_once_when_its_time_has_come_and_nothing_before(identity: Identity) -> None:
    _, token = await identity.sign_up()
    assert await spent(identity, lambda: identity.sessions.refresh(token)) == within(SELECT=1)
    identity.clock.move(days=2)
    assert await spent(identity, lambda: identity.sessions.refresh(token)) == within(SELECT=1, UPDATE=1, note=1)


async def test_a_revocation_is_found_removed_and_told_in_one_transaction(identity: Identity) -> None:
    user, token = await identity.sign_up()
    session = (await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)).opened.session
    one = within(SELECT=1, DELETE=1, note=1)
    assert await spent(identity, lambda: identity.sessions.revoke(user.id, session_id=session.id)) == one
    assert await spent(identity, lambda: identity.sessions.sign_out(token)) == one
    assert await spent(identity, lambda: identity.sessions.sign_out(token)) == within(SELECT=1), "nothing to tell"
    await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    assert await spent(identity, lambda: identity.sessions.revoke_all(user.id)) == within(DELETE=1, note=1)


@pytest.mark.parametrize(
    ("end_others", "rest"),
    [
        (None, {"DELETE": 1, "note": 2}),  # the invalidation and the line in the journal
        (True, {"DELETE": 1, "note": 2, "INSERT": 1}),
        (False, {"note": 1}),
    ],
)
async def test_a_change_of_password_looks_once_and_writes_in_one_transaction(
    identity: Identity, end_others: bool | None, rest: Budget
) -> None:
    user, token = await identity.sign_up()
    await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
    keep = (await identity.sessions.verify(token)).session.id
    cost = await spent(
        identity,
        lambda: identity.authentication.change_password(
            user.id, PASSWORD, "a better horse battery", end_others=end_others, keep=keep, origin=HERE
        ),
    )
    assert cost == within(SELECT=1, UPDATE=1, **rest)


class Careless(Credentials):
    """Reads a user and their password with a statement each."""

    async def by_email(self, email: str) -> Credential | None:
        found = await super().by_email(email)
        return await self.by_user(found.user.id) if found else None


async def test_one_statement_more_is_seen(identity: Identity) -> None:
    """The control."""
    await identity.sign_up()
    identity.authentication._credentials = Careless(identity.database, now=identity.clock)
    cost = await spent(identity, lambda: identity.authentication.sign_in("ann@x.io", PASSWORD, HERE))
    assert cost == within(SELECT=2, INSERT=1, note=1)


async def test_an_outdated_hash_costs_the_sign_in_no_statement(identity: Identity) -> None:
    """Contract 3.4: it is made anew in a transaction of its own, which nobody waits for."""
    await identity.sign_up()
    with Hasher(HashingConfig(128, 2, workers=1)) as dearer, sent_to(identity.database) as sent:
        identity.authentication._rehash._hasher = dearer
        await identity.authentication.sign_in("ann@x.io", PASSWORD, HERE)
        before = [each.verb for each in work_of(sent)]
        await identity.database.tasks.drain(2)
    assert before == ["SELECT", "INSERT", "INSERT"]
    assert [each.verb for each in work_of(sent)][3:] == ["UPDATE"]
