"""Logs: one line an event whatever it holds, with the trace's ids, and never in the way of a request."""

import io
import json
import logging
import queue
import sys
import threading
from collections.abc import Iterator
from logging.handlers import QueueHandler

import pytest
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from runtime.telemetry.logs import (
    FIELD_LENGTH,
    OURS,
    BoundedQueueHandler,
    JsonFormatter,
    TerminalFormatter,
    dropped,
    logging_to_stderr,
)

ODD = "agent\r\n\x1b[31m\u2028\u2029\x00\x7f\x85\u202e\ud800 end"


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("trivet.test", logging.WARNING, __file__, 1, message, None, None)
    vars(made).update(extra)
    return made


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """Undo what a process does once to the root logger, ours and gRPC's: later tests count the lines of these."""
    loggers = [logging.getLogger(name) for name in ("", "grpc._cython.cygrpc", *OURS)]
    before = [(logger, logger.level, logger.handlers[:], logger.filters[:]) for logger in loggers]
    yield
    for logger, level, handlers, filters in before:
        logger.setLevel(level)
        logger.handlers[:], logger.filters[:] = handlers, filters


@given(st.text())
def test_whatever_the_message_it_is_one_json_line(message: str) -> None:
    """I3: CR, LF, ESC, U+2028, NUL."""
    for text in (message, ODD):
        line = JsonFormatter("gateway").format(record(text))
        assert line.isascii()
        assert line.splitlines() == [line]
        assert json.loads(line)["message"] == text


def test_a_line_says_when_how_bad_who_and_under_which_request() -> None:
    line = json.loads(JsonFormatter("gateway").format(record("hello", request_id="r1")))
    assert set(line) == {"time", "level", "service", "logger", "message", "request_id"}
    assert (line["level"], line["service"], line["logger"]) == ("WARNING", "gateway", "trivet.test")
    assert line["time"].endswith("+00:00")


def test_a_long_message_keeps_its_two_ends() -> None:
    """I3: the size of a field is capped, and a traceback's last line survives it."""
    line = json.loads(JsonFormatter("gateway").format(record("begin" + "x" * 1_000_000 + "end")))
    assert len(line["message"]) <= FIELD_LENGTH + 5
    assert line["message"].startswith("begin")
    assert line["message"].endswith("end")


def test_on_a_terminal_control_characters_are_shown_and_no_line_can_be_forged() -> None:
    text = TerminalFormatter("gateway").format(record(ODD + "\n12:00:00 info    gateway: all is well"))
    assert text.count("\x1b") == 2, "the colors of the level alone"
    assert "\\x1b[31m" in text
    assert not any(char in text for char in "\r\u2028\u2029\x00\x7f\x85\u202e")
    assert all(line.startswith("    ") for line in text.split("\n")[1:])


def test_the_traces_ids_are_taken_where_the_call_is() -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = BoundedQueueHandler(lines)
    with trace.use_span(TracerProvider().get_tracer("test").start_span("call")) as span:
        handler.handle(record("inside"))
    handler.handle(record("outside"))
    inside, outside = (json.loads(JsonFormatter("x").format(lines.get())) for _ in range(2))
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert "trace_id" not in outside


def test_a_full_queue_drops_and_counts_and_never_waits() -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue(maxsize=2)
    handler, before = BoundedQueueHandler(lines), dropped._value.get()
    for number in range(5):
        handler.handle(record(f"line {number}"))
    assert (lines.qsize(), dropped._value.get() - before) == (2, 3)


def test_the_standard_handler_would_fail_loudly_instead(capsys: pytest.CaptureFixture[str]) -> None:
    """What BoundedQueueHandler protects from: a traceback on standard error for every lost line."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(maxsize=1)
    for number in range(2):
        QueueHandler(lines).handle(record(f"line {number}"))
    assert "queue.Full" in capsys.readouterr().err


class Stalled(io.StringIO):
    """A stream that takes nothing until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait(10)
        return super().write(text)


def test_everything_queued_is_written_at_the_end_even_if_the_queue_was_full(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = Stalled()
    monkeypatch.setattr(sys, "stderr", stalled)
    monkeypatch.setattr("runtime.telemetry.logs.QUEUE_LENGTH", 3)
    before = dropped._value.get()
    with logging_to_stderr("gateway", json_lines=True):
        for number in range(20):
            logging.getLogger("trivet").info("line %d", number)
        threading.Timer(0.05, stalled.released.set).start()
    lost = int(dropped._value.get() - before)
    assert len(stalled.getvalue().splitlines()) == 20 - lost
    assert lost >= 16


def test_a_traceback_stays_within_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with logging_to_stderr("identity", json_lines=True):
        try:
            raise RuntimeError("boom")
        except RuntimeError:
            logging.getLogger("trivet").exception("unexpected failure in %s", "GetUser")
    (line,) = written.getvalue().splitlines()
    message = json.loads(line)["message"]
    assert message.startswith("unexpected failure in GetUser\nTraceback")
    assert message.endswith("RuntimeError: boom")


def test_an_answer_that_could_not_be_sent_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hangs up at the right moment decides how many there are. A bug's traceback is kept."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with logging_to_stderr("identity", json_lines=True):
        for error in (aio.InternalError("Failed grpc_call_start_batch"), RuntimeError("boom")):
            try:
                raise error
            except Exception:  # gRPC logs whatever it is
                logging.getLogger("grpc._cython.cygrpc").exception("raised in core by servicer method [GetUser]")
    left, bug = (json.loads(line)["message"] for line in written.getvalue().splitlines())
    assert left == "raised in core by servicer method [GetUser]"
    assert bug.endswith("RuntimeError: boom")
