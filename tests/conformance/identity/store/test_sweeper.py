"""What has expired is removed in bounded batches, on every engine."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from runtime.ids import new_id, token_hash
from services.identity import schema
from services.identity.billing.tables import EVENTS_KEPT
from services.identity.sessions.session import Origin
from services.identity.store import sweeper
from services.identity.store.database import Transaction
from services.identity.store.sweeper import Sweeper
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.statements import sent_to, work_of


@pytest.fixture
def sweep(identity: Identity) -> Sweeper:
    return Sweeper(identity.database, schema.metadata, now=identity.clock)


async def _insert(identity: Identity, table: Table, **values: Any) -> str:
    row_id = new_id()
    now = identity.clock()

    async def work(transaction: Transaction) -> None:
        await transaction.execute(insert(table).values(id=row_id, created_at=now, updated_at=now, **values))

    await identity.database.transaction("tests.insert", work)
    return row_id


async def _ids(identity: Identity, table: Table) -> set[str]:
    return {row[0] for row in await identity.database.rows("tests.ids", select(table.c.id))}


async def test_only_the_expired_go(identity: Identity, sweep: Sweeper) -> None:
    user, _ = await identity.sign_up(remember=False)
    identity.clock.move(hours=25)
    kept = (await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())).opened.session
    assert await sweep.sweep() == 1
    assert await sweep.sweep() == 0
    assert await _ids(identity, schema.sessions) == {kept.id}
    assert await identity.users.find(user.id) == user


async def test_verifications_and_requests_go_when_they_expire(identity: Identity, sweep: Sweeper) -> None:
    now = identity.clock()
    kept = {}
    for number, ends in enumerate((now, now + timedelta(milliseconds=1))):
        verification = {"identifier": f"reset-password:{number}", "value": token_hash(str(number))}
        request = {"caller": "gateway", "request_id": f"r{number}", "body_hash": "0" * 64, "answer": "x"}
        kept[schema.verifications] = await _insert(identity, schema.verifications, **verification, expires_at=ends)
        kept[schema.requests] = await _insert(identity, schema.requests, **request, expires_at=ends)
    assert await sweep.sweep() == 2
    for table, row_id in kept.items():
        assert await _ids(identity, table) == {row_id}


async def test_an_event_of_stripes_goes_a_month_after_it_was_applied(identity: Identity, sweep: Sweeper) -> None:
    """P2: until then, and for as long as it is not applied, its id is known."""
    now = identity.clock()
    await _insert(identity, schema.stripe_events, created=1, applied_at=now - EVENTS_KEPT)
    kept = {
        await _insert(identity, schema.stripe_events, created=1, applied_at=applied)
        for applied in (now - EVENTS_KEPT + timedelta(seconds=1), None)
    }
    assert await sweep.sweep() == 1
    assert await _ids(identity, schema.stripe_events) == kept


async def test_a_batch_and_a_sweep_are_bounded(
    identity: Identity, sweep: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 2)
    monkeypatch.setattr(sweeper, "BATCHES", 3)
    await identity.sign_up(remember=False)
    for _ in range(8):
        await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin(remember=False))
    identity.clock.move(days=2)
    with sent_to(identity.database) as sent:
        assert await sweep.sweep() == 6
    deletes = [each for each in work_of(sent) if each.verb == "DELETE"]
    assert len(deletes) == 3, "a batch is two rows"
    assert [await sweep.sweep() for _ in range(2)] == [3, 0]


async def test_two_sweepers_at_once_remove_each_row_once(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """R20: they meet at the same rows, and neither fails."""
    monkeypatch.setattr(sweeper, "BATCH", 5)
    for number in range(40):
        ends = identity.clock()
        verification = {"identifier": f"i{number}", "value": token_hash(str(number)), "expires_at": ends}
        await _insert(identity, schema.verifications, **verification)
    both = (Sweeper(identity.database, schema.metadata, now=identity.clock) for _ in range(2))
    assert sum(await asyncio.gather(*(each.sweep() for each in both))) == 40
    count = select(func.count()).select_from(schema.verifications)
    assert await identity.database.row("tests.count", count) == (0,)
