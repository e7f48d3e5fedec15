"""What every request leaves in the logs: queued, sent in batches, never waited for."""

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
    "Log entries of requests that were lost, by reason.",
    ["reason"],
)
waiting = Gauge("trivet_request_log_waiting", "Log entries of requests that wait to be written.")


class AccessLogWriter:
    """A bounded queue in front of LogService.WriteLogs. A dead log store costs entries, counted, and nothing else."""

    def __init__(self, logs: LogServiceStub, *, length: int = QUEUE_LENGTH, seconds: float = BATCH_SECONDS) -> None:
        self._logs = logs
        self._length = length
        self._seconds = seconds
        self._queue: deque[LogEntry] = deque()
        self._full_batch = asyncio.Event()
        self._lost = 0
        self._outage = Outage(
            logger, "log entries of requests are lost: %s", "log entries of requests are written again: %d were lost"
        )
        self._rejects = Outage(
            logger, "log entries of requests are rejected: %s", "log entries of requests are taken again"
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
        """Send batches for ever, each when it is full or its time has come."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._full_batch.wait()
            waiting.set(len(self._queue))
            await self.flush(WRITE_SECONDS)
            if len(self._queue) < BATCH_SIZE:  # what came meanwhile waits for its time, or each write would be of a few
                self._full_batch.clear()

    async def flush(self, timeout: float) -> None:
        """Send one batch; what cannot be written is dropped and counted."""
        batch = [self._queue.popleft() for _ in range(min(BATCH_SIZE, len(self._queue)))]
        if not batch:
            return
        try:
            answer = await self._logs.WriteLogs(WriteLogsRequest(entries=batch), timeout=timeout)
        except asyncio.CancelledError:
            self._queue.extendleft(reversed(batch))
            raise
        except Exception as error:  # nothing may end this task: the next batch may be written
            dropped.labels("write_failed").inc(len(batch))
            self._lost += len(batch)
            self._outage.begin(error.code().name if isinstance(error, grpc.aio.AioRpcError) else repr(error))
            return
        self._outage.end(self._lost)
        self._lost = 0
        if answer.rejected:
            dropped.labels("rejected").inc(len(answer.rejected))
            self._rejects.begin(answer.rejected[0].message)
        else:
            self._rejects.end()

    async def drain(self, timeout: float) -> None:
        """Send what is left, as far as it goes in `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._queue:
                    await self.flush(timeout)
        dropped.labels("process_ended").inc(len(self._queue))


@asynccontextmanager
async def open_access_log(logs: LogServiceStub) -> AsyncIterator[AccessLogWriter]:
    """Run a request log in the background; at the end what is left is sent."""
    access_log = AccessLogWriter(logs)
    running = asyncio.create_task(access_log.run())
    try:
        yield access_log
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await access_log.drain(LAST_WRITE_SECONDS)
