"""R15: many readers of one key that has just run out ask the database once, at however many gateways they are."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from runtime.ids import token_hash
from tests.harness.metrics import metric
from tests.harness.processes import client
from tests.harness.waiting import until
from tests.history.checking.checker import Outcome
from tests.history.house import House
from tests.history.recorder import Desk, Opened
from tests.history.wire import Wire
from trivet.cache.v1.cache_pb2 import GetRequest, Lookup
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client.near.lease import METADATA_KEY, format_lease
from trivet.identity.v1.session_service_pb2 import VerifySessionRequest
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub

READERS = 500
KEYS = 3
FEW = 50


async def expire(house: House, session: Opened) -> None:
    """Have a session filled into Redis, behind the gateways' backs, and run out there."""
    key = token_hash(session.token)
    redis: Any  # redis-py types its commands for both of its clients at once
    async with client(house.services["cache"], caller="gateway") as channel, Redis.from_url(house.redis.url) as redis:
        cache = CacheServiceStub(channel)

        async def look() -> Lookup:
            return (await cache.Get(GetRequest(namespace="sessions", key=key))).lookup

        async def is_there() -> bool:
            return (await look()).found

        async def is_gone() -> bool:
            return not await is_there()

        lease = ((METADATA_KEY, format_lease((await look()).position)),)
        await SessionServiceStub(house.identity).VerifySession(
            VerifySessionRequest(token=session.token), metadata=lease
        )
        await until(is_there)
        await redis.pexpire(f"trivet:entry:sessions:{key}", 1)
        await until(is_gone)


async def test_five_hundred_readers_of_a_key_that_has_run_out_are_one_statement(running: House) -> None:
    """On a machine with too much to do a reader's patience may end before the one who fills is ready: never many's."""
    desk = Desk(running.identity)
    await desk.sign_up()
    taken = [await taken_by_all(running, desk) for _ in range(KEYS)]
    assert min(taken) == 1, taken
    assert max(taken) < FEW, taken


async def taken_by_all(house: House, desk: Desk) -> float:
    """Return how many statements it took to answer all who read one session that has just run out."""
    session = await desk.open("open", desk.emails[0])
    await expire(house, session)
    before = await statements(house)
    assert set(await asked_by_all(house, desk, session)) == {Outcome.ACCEPTED}
    return await statements(house) - before


async def asked_by_all(house: House, desk: Desk, session: Opened) -> list[Outcome]:
    """Have all readers connect, and then ask at once; return what each was answered."""
    wires = [Wire(house.addresses[number % len(house.addresses)]) for number in range(READERS)]
    try:
        await asyncio.gather(*(wire.open() for wire in wires))
        return await asyncio.gather(*(desk.check(f"check-{at}", session, wire) for at, wire in enumerate(wires)))
    finally:
        await asyncio.gather(*(wire.close() for wire in wires))


async def statements(house: House) -> float:
    """Return how often identity has asked the database whose session a token opens."""
    port = house.services.metrics_ports["identity"]
    return await metric(port, "trivet_store_duration_seconds_count", operation="sessions.verify")
