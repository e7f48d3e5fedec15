"""The queue of log entries has an end, and knows what it lost."""

import asyncio
from typing import cast

import grpc
import pytest
from grpc import aio
from prometheus_client import REGISTRY

from gateway.http.access_log import BATCH_SIZE, AccessLogWriter, open_access_log
from tests.harness.waiting import until
from trivet.notifications.v1.log_service_pb2 import LogEntry, RejectedLogEntry, WriteLogsRequest, WriteLogsResponse
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub


class Logs:
    """A log service that writes only while it is let."""

    def __init__(self) -> None:
        self.batches: list[list[LogEntry]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = 0
        self.answer = WriteLogsResponse()
        self.failure: Exception | None = None

    async def WriteLogs(self, request: WriteLogsRequest, timeout: float) -> WriteLogsResponse:
        self.asked += 1
        async with asyncio.timeout(timeout):
            await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(request.entries))
        return self.answer

    @property
    def stub(self) -> LogServiceStub:
        return cast(LogServiceStub, self)


def lost(reason: str) -> float:
    return REGISTRY.get_sample_value("trivet_request_log_dropped_total", {"reason": reason}) or 0


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    before, logs = lost("queue_full"), Logs()
    bounded = AccessLogWriter(logs.stub, length=10)
    for _ in range(25):
        bounded.add(LogEntry())
    assert lost("queue_full") == before + 15
    await bounded.drain(1)
    assert [len(batch) for batch in logs.batches] == [10]


async def test_without_the_bound_a_hung_log_store_would_take_all_memory() -> None:
    """The protection off: every entry is kept for as long as nothing is written."""
    before, logs = lost("queue_full"), Logs()
    unbounded = AccessLogWriter(logs.stub, length=10**9)
    for _ in range(20_000):
        unbounded.add(LogEntry())
    assert lost("queue_full") == before
    await unbounded.drain(5)
    assert sum(map(len, logs.batches)) == 20_000


async def test_an_entry_that_the_log_service_rejects_is_counted() -> None:
    before, logs = lost("rejected"), Logs()
    logs.answer = WriteLogsResponse(rejected=[RejectedLogEntry(index=1, reason="EXPIRED", message="it is old")])
    request_log = AccessLogWriter(logs.stub)
    for _ in range(2):
        request_log.add(LogEntry())
    await request_log.drain(1)
    assert lost("rejected") == before + 1


async def test_entries_are_sent_in_batches_and_a_full_one_at_once() -> None:
    logs = Logs()
    slow_to_send = AccessLogWriter(logs.stub, seconds=60)
    running = asyncio.create_task(slow_to_send.run())
    for _ in range(BATCH_SIZE):
        slow_to_send.add(LogEntry())
    await until(lambda: bool(logs.batches))
    assert len(logs.batches[0]) == BATCH_SIZE
    running.cancel()


async def test_entries_that_come_while_a_batch_is_written_wait_for_the_next_batch() -> None:
    logs = Logs()
    logs.open.clear()
    slow_to_send = AccessLogWriter(logs.stub, seconds=60)
    running = asyncio.create_task(slow_to_send.run())
    for _ in range(BATCH_SIZE):
        slow_to_send.add(LogEntry())
    await until(lambda: logs.asked == 1)
    slow_to_send.add(LogEntry())
    logs.open.set()
    await until(lambda: len(logs.batches) == 1)
    for _ in range(BATCH_SIZE - 1):
        slow_to_send.add(LogEntry())
    await until(lambda: len(logs.batches) == 2)
    assert [len(batch) for batch in logs.batches] == [BATCH_SIZE, BATCH_SIZE]
    running.cancel()


async def test_no_batch_is_larger_than_the_log_store_takes_in_its_time() -> None:
    """An embedded store needs 0.7 ms an entry, and a write has two seconds."""
    assert BATCH_SIZE == 200
    logs = Logs()
    full = AccessLogWriter(logs.stub)
    running = asyncio.create_task(full.run())
    for _ in range(5 * BATCH_SIZE + 7):
        full.add(LogEntry())
    await until(lambda: sum(map(len, logs.batches)) == 5 * BATCH_SIZE + 7)
    assert max(map(len, logs.batches)) == BATCH_SIZE
    running.cancel()


async def test_the_bound_holds_while_a_batch_is_under_way_and_all_that_is_lost_is_counted() -> None:
    before, logs = lost("queue_full") + lost("write_failed"), Logs()
    bounded = AccessLogWriter(logs.stub, length=2 * BATCH_SIZE)
    logs.open.clear()
    running = asyncio.create_task(bounded.run())
    for _ in range(BATCH_SIZE):
        bounded.add(LogEntry())
    await until(lambda: logs.asked == 1)
    for _ in range(3 * BATCH_SIZE):
        bounded.add(LogEntry())
    assert lost("queue_full") + lost("write_failed") == before + BATCH_SIZE
    logs.open.set()
    await until(lambda: sum(map(len, logs.batches)) == 3 * BATCH_SIZE)
    running.cancel()


async def test_a_batch_that_is_under_way_when_the_process_ends_is_not_lost() -> None:
    logs = Logs()
    logs.open.clear()
    async with open_access_log(logs.stub) as request_log:
        request_log.add(LogEntry(message="last"))
        await until(lambda: logs.asked == 1)
        logs.open.set()
    assert [entry.message for batch in logs.batches for entry in batch] == ["last"]


async def test_what_cannot_be_written_at_the_end_is_counted() -> None:
    before, logs = lost("process_ended"), Logs()
    logs.open.clear()
    stuck = AccessLogWriter(logs.stub)
    stuck.add(LogEntry())
    await stuck.drain(0.05)
    assert lost("process_ended") == before + 1


AWAY = aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())


@pytest.mark.parametrize("failure", [AWAY, ValueError("an unexpected failure")], ids=["away", "unexpected"])
async def test_a_log_service_that_is_away_is_logged_once_and_once_when_it_is_back(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before, logs = lost("write_failed"), Logs()
    logs.failure = failure
    request_log = AccessLogWriter(logs.stub, seconds=0.001)
    running = asyncio.create_task(request_log.run())
    for batch in range(1, 6):
        request_log.add(LogEntry())
        await until(lambda batch=batch: lost("write_failed") == before + batch)  # type: ignore[misc]  # bound to this batch
    logs.failure = None
    for batch in range(1, 4):
        request_log.add(LogEntry())
        await until(lambda batch=batch: len(logs.batches) == batch)  # type: ignore[misc]  # bound to this batch
    running.cancel()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"access log entries are dropped: {'UNAVAILABLE' if failure is AWAY else repr(failure)}"),
        ("INFO", "access log entries are written again: 5 were dropped"),
    ]
