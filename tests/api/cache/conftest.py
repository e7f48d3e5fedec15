"""The cache as its callers meet it: the real process, and a channel for each kind of caller."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack

import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc import StatusCode, aio

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import reason_of
from trivet.client.errors import status_of


@pytest.fixture(scope="package")
def cache_process(engine: Engines) -> Iterator[Process]:
    with process("cache", REDIS_URL=engine.get("valkey").url, TRIVET_CACHE_PREFIX=f"t:{new_id()}:") as running:
        yield running


class Callers:
    """Stubs by the name of the service that calls."""

    def __init__(self, running: Process, stack: AsyncExitStack) -> None:
        self._running = running
        self._stack = stack

    async def __call__(self, caller: str) -> CacheServiceStub:
        return CacheServiceStub(await self._stack.enter_async_context(client(self._running, caller=caller)))


@pytest.fixture
async def as_caller(cache_process: Process) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(cache_process, stack)


async def refused(call: Awaitable[object]) -> tuple[StatusCode, str, str]:
    """Return the code, the reason and the field that a call is refused with."""
    with pytest.raises(aio.AioRpcError) as failure:
        await call
    field = ""
    status = status_of(failure.value)
    for detail in status.details if status else ():
        bad_request = BadRequest()
        if detail.Unpack(bad_request):
            field = bad_request.field_violations[0].field
    return failure.value.code(), reason_of(failure.value), field
