"""What has expired is removed in bounded batches, on every engine."""

import pytest
from sqlalchemy import select

from services.identity import schema, sweeper
from services.identity.sessions import Origin
from services.identity.sweeper import Sweeper
from tests.conformance.identity.conftest import PASSWORD, Identity


async def test_only_the_expired_go(identity: Identity) -> None:
    user, _ = await identity.sign_up(remember=False)
    identity.clock.move(hours=25)
    kept = (await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin())).opened.session
    sweep = Sweeper(identity.database, now=identity.clock)
    assert await sweep.sweep() == 1
    assert await sweep.sweep() == 0
    assert [row[0] for row in await identity.database.rows("tests.ids", select(schema.sessions.c.id))] == [kept.id]
    assert await identity.users.find(user.id) == user


async def test_a_batch_is_bounded(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "BATCH", 2)
    await identity.sign_up(remember=False)
    for _ in range(4):
        await identity.authentication.sign_in("ann@x.io", PASSWORD, Origin(remember=False))
    identity.clock.move(days=2)
    sweep = Sweeper(identity.database, now=identity.clock)
    assert [await sweep.sweep() for _ in range(4)] == [2, 2, 1, 0]
