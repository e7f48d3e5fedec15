"""What becomes of a statement whose caller has left, or whose caller's time is up: it costs nobody a connection."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY
from pymongo.monitoring import ConnectionCreatedEvent

from runtime.errors import DeadlineExceeded, Unavailable
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.preferences import Preferences
from services.notifications.store.mongo import Store, open_store
from services.notifications.store.pool_metrics import PoolGauges
from services.notifications.store.tombstones import Tombstones
from tests.conformance.notifications.conftest import SEALED_MAIL, TTL, House, failing
from tests.harness.stores.engines import Engine
from tests.harness.waiting import until
from trivet.client.deadline import within

POOL = 3
HANG_UPS = 200


def held() -> float:
    return REGISTRY.get_sample_value("trivet_store_pool_in_use", {"system": "mongodb"}) or 0


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The connections that the driver makes from now on."""
    made: list[int] = []

    class Counted(PoolGauges):
        def connection_created(self, event: ConnectionCreatedEvent) -> None:
            super().connection_created(event)
            made.append(event.connection_id)

    monkeypatch.setattr("services.notifications.store.mongo.PoolGauges", Counted)
    return made


@pytest.fixture
async def store(created: list[int], database_url: str) -> AsyncIterator[Store]:
    async with open_store(database_url, pool_size=POOL, timeout=10.0) as opened:
        await until(lambda: opened.is_prepared, 10)
        yield opened


def over(store: Store) -> Notifications:
    tombstones = Tombstones(store, ttl=TTL)
    return Notifications(
        store, MailPolicy(SEALED_MAIL), Deliveries(store), tombstones, Preferences(store, tombstones), ttl=TTL
    )


async def hang_up(store: Store, *, turns: int) -> None:
    """Count somebody's unread notifications, and leave after so many turns of the loop."""
    call = asyncio.create_task(over(store).count_unread("ann"))
    for _ in range(turns):
        await asyncio.sleep(0)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call


async def test_callers_who_hang_up_cost_no_connection(store: Store, created: list[int]) -> None:
    """R6: wherever in a statement they leave."""
    for number in range(HANG_UPS):
        await hang_up(store, turns=number % 40)
    await until(lambda: held() == 0, 60)  # what they have begun is carried through, and takes a busy machine its time
    assert await over(store).count_unread("ann") == (0, False)
    await until(lambda: held() == 0, 60)
    assert 1 <= len(created) <= POOL


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_if_the_statements_were_cancelled_each_would_cost_its_connection(
    store: Store, created: list[int]
) -> None:
    """The protection off: the driver's own calls are cancelled amid their answers, and it forgets to close sockets."""
    for number in range(HANG_UPS):
        call = asyncio.create_task(store.database.notifications.count_documents({}))
        for _ in range(number % 40):
            await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
    gc.collect()
    assert len(created) > 3 * POOL


async def test_who_leaves_while_waiting_for_a_connection_has_nothing_done(store: Store) -> None:
    """Work whose caller is gone is dropped when it leaves the queue."""
    begun: list[str] = []
    may_end = asyncio.Event()

    async def hold() -> None:
        await may_end.wait()

    async def begin() -> None:
        begun.append("begun")

    holding = [asyncio.create_task(store.run("test.hold", hold)) for _ in range(POOL)]
    waiting = asyncio.create_task(store.run("test.begin", begin))
    await asyncio.sleep(0)
    waiting.cancel()
    may_end.set()
    await asyncio.gather(*holding)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert begun == []
    await store.run("test.begin", begin)
    assert begun == ["begun"]


@pytest.mark.parametrize("milliseconds", [0, 2, 20])
async def test_a_deadline_that_is_the_callers_is_not_blamed_on_the_store(
    milliseconds: int,
    own_server: Engine,
) -> None:
    """R5: the store takes a second, and the caller has less."""
    async with open_store(f"{own_server.url}/trivet", timeout=10.0) as store:
        await until(lambda: store.is_prepared, 10)
        async with failing(own_server, "find", blockConnection=True, blockTimeMS=1_000):
            with pytest.raises(DeadlineExceeded), within(0.005 + milliseconds / 1_000):
                await store.run("test.find", lambda: store.database.notifications.find_one({}))


async def test_a_time_out_that_is_the_stores_is_unavailable(own_server: Engine) -> None:
    async with open_store(f"{own_server.url}/trivet", timeout=0.3) as store:
        await until(lambda: store.is_prepared, 10)
        async with failing(own_server, "find", blockConnection=True, blockTimeMS=1_000):
            with pytest.raises(Unavailable), within(5):
                await store.run("test.find", lambda: store.database.notifications.find_one({}))


async def test_a_write_whose_caller_left_is_done(at: House) -> None:
    """As a lost answer would be: whether it was done is unknown, and nothing is half done."""
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        begun.set()
        await may_end.wait()
        await at.store.database.logs.insert_one({"_id": "done"})

    call = asyncio.create_task(at.store.run("test.write", write))
    await begun.wait()
    call.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: is_there(at))


async def is_there(at: House) -> bool:
    return await at.store.database.logs.find_one({"_id": "done"}) is not None
