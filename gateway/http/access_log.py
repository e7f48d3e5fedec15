"""Writes the access log to LogService: entries are queued and sent in batches, and no request waits for them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from prometheus_client import Counter, Gauge

from trivet.client.outage import Outage
from trivet.notifications.v1.log_service_pb2 import LogEntry, WriteLogsRequest
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 10_000
BATCH_SIZE = 200
BATCH_SECONDS = 0.25
WRITE_SECONDS = 2.0
LAST_WRITE_SECONDS = 0.75

dropped = Counter(
    "trivet_request_log_dropped_total",
    "Access log entries that were dropped, by reason.",
    ["reason"],
)
waiting = Gauge("trivet_request_log_waiting", "Access log entries that wait to be written.")


class AccessLogWriter:
    """A bounded queue for LogService.WriteLogs. While the log store is down, entries are dropped and counted."""

    def __init__(self, logs: LogServiceStub, *, length: int = QUEUE_LENGTH, seconds: float = BATCH_SECONDS) -> None:
        self._logs = logs
        self._length = length
        self._seconds = seconds
        self._queue: deque[LogEntry] = deque()
        self._full_batch = asyncio.Event()
        self._dropped = 0
        self._outage = Outage(
            logger, "access log entries are dropped: %s", "access log entries are written again: %d were dropped"
        )
        self._rejections = Outage(
            logger, "access log entries are rejected: %s", "access log entries are accepted again"
        )

    def add(self, entry: LogEntry) -> None:
        """Queue an entry, or count it as dropped if the queue is full."""
        if len(self._queue) >= self._length:
            dropped.labels("queue_full").inc()
            return
        self._queue.append(entry)
        if len(self._queue) >= BATCH_SIZE:
            self._full_batch.set()

    async def run(self) -> None:
        """Send batches without end, each when it is full or `seconds` old."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._full_batch.wait()
            waiting.set(len(self._queue))
            await self.flush(WRITE_SECONDS)
            if len(self._queue) < BATCH_SIZE:  # new entries wait for a batch, or each write would have a few
                self._full_batch.clear()

    async def flush(self, timeout: float) -> None:
        """Send one batch. Entries that cannot be written are dropped and counted."""
        batch = [self._queue.popleft() for _ in range(min(BATCH_SIZE, len(self._queue)))]
        if not batch:
            return
        try:
            answer = await self._logs.WriteLogs(WriteLogsRequest(entries=batch), timeout=timeout)
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(batch))
            raise
        except Exception as error:  # the task goes on: the next batch can succeed
            dropped.labels("write_failed").inc(len(batch))
            self._dropped += len(batch)
            self._outage.begin(error.code().name if isinstance(error, grpc.aio.AioRpcError) else repr(error))
            return
        self._outage.end(self._dropped)
        self._dropped = 0
        if answer.rejected:
            dropped.labels("rejected").inc(len(answer.rejected))
            self._rejections.begin(answer.rejected[0].message)
        else:
            self._rejections.end()

    async def drain(self, timeout: float) -> None:
        """Send the queue for `timeout` seconds at most. The rest is dropped and counted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._queue:
                    await self.flush(timeout)
        dropped.labels("process_ended").inc(len(self._queue))


@asynccontextmanager
async def open_access_log(logs: LogServiceStub) -> AsyncIterator[AccessLogWriter]:
    """Run an access log in the background. At the end the rest of the queue is sent."""
    access_log = AccessLogWriter(logs)
    running = asyncio.create_task(access_log.run())
    try:
        yield access_log
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await access_log.drain(LAST_WRITE_SECONDS)
