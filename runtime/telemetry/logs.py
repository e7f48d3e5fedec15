"""Logs as JSON lines with trace ids, or as text for a terminal. A thread with a bounded queue writes them."""

import json
import logging
import queue
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener

from grpc import aio
from opentelemetry import trace
from prometheus_client import Counter

QUEUE_LENGTH = 10_000
FIELD_LENGTH = 8_192
OURS = ("gateway", "runtime", "services", "trivet")
COLORS = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31m"}

dropped = Counter(
    "trivet_log_lines_dropped_total", "Log lines lost because they came faster than they could be written."
)


class BoundedQueueHandler(QueueHandler):
    """Adds the trace ids to each record. Drops and counts records that do not fit into the queue."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = f"{context.trace_id:032x}"
            record.span_id = f"{context.span_id:016x}"
        prepared: logging.LogRecord = super().prepare(record)
        return prepared

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            dropped.inc()


def without_traceback_of_disconnect(record: logging.LogRecord) -> bool:
    """Remove the traceback from gRPC's record of a response to a caller that left. Returns True: the record is kept.

    Otherwise clients that disconnect could fill the log with tracebacks.
    """
    if record.exc_info and isinstance(record.exc_info[1], aio.InternalError):
        record.exc_info = None
    return True


class Writer(QueueListener):
    """Writes the lines. Its end waits for room in a full queue instead of failing."""

    def enqueue_sentinel(self) -> None:
        self.queue.put(self._sentinel)  # type: ignore[attr-defined]  # missing in the published types


class JsonFormatter(logging.Formatter):
    """One JSON object per line. Other characters than ASCII are escaped, so no value can forge a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        for name in ("trace_id", "span_id", "request_id"):
            if value := getattr(record, name, None):
                line[name] = value
        return json.dumps(line)


class TerminalFormatter(logging.Formatter):
    """A short line for a terminal. Control characters are escaped, and further lines are indented."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        color = COLORS.get(record.levelname, "")
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        message = "\n    ".join(_visible(line) for line in _cut(record.getMessage()).split("\n"))
        return (
            f"{time} {color}{record.levelname.lower():7}{chr(27) + '[0m' if color else ''} {self._service}: {message}"
        )


def _cut(message: str) -> str:
    """Return a message of limited length, cut in the middle, because a traceback's last line matters most."""
    if len(message) <= FIELD_LENGTH:
        return message
    half = FIELD_LENGTH // 2
    return f"{message[:half]} ... {message[-half:]}"


def _visible(line: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def set_level(level: str) -> None:
    """Set the lowest level that is logged."""
    logging.getLogger().setLevel("INFO" if level == "DEBUG" else level)
    for name in OURS:
        logging.getLogger(name).setLevel(level)


@contextmanager
def logging_to_stderr(service: str, *, json_lines: bool, level: str = "INFO") -> Iterator[None]:
    """Send this process's logs to standard error until the end, when the queue is emptied.

    DEBUG applies only to Trivet's loggers, because drivers log whole statements and documents at that level.
    """
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LENGTH)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter(service) if json_lines else TerminalFormatter(service))
    listener = Writer(lines, stream)
    handler = BoundedQueueHandler(lines)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("grpc._cython.cygrpc").addFilter(without_traceback_of_disconnect)
    set_level(level)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
