"""The rows of `trivet status` for processes and stores, and the screen that they are drawn on."""

import io
import socket
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from ops.doctor.finding import Finding, error, warning
from ops.stack.endpoints import Endpoints
from ops.status.backup_row import BackupRow
from ops.status.process_rows import ProcessRow, process_rows
from ops.status.reading import Reading
from ops.status.samples import Samples
from ops.status.screen import draw
from ops.status.snapshot import Snapshot
from ops.status.store_rows import ask

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KNOWN = Endpoints(
    is_running=True, url="", services={}, metrics={"cache": "c:1", "gateway": "g:1"}, sql="", mongodb="", redis=""
)
BEFORE = 'trivet_rpc_handled_total{code="OK"} 10\ntrivet_rpc_handled_total{code="NOT_FOUND"} 1\n'
AFTER = """
trivet_rpc_handled_total{code="OK"} 30
trivet_rpc_handled_total{code="NOT_FOUND"} 5
trivet_rpc_handled_total{code="UNAVAILABLE"} 6
trivet_build_info{version="0.1.0"} 1
"""
STARTED = f"process_start_time_seconds {NOW.timestamp() - 90}\n"


def _reading(seconds: float, health: dict[str, Finding | None], **texts: str) -> Reading:
    return Reading(NOW, seconds, {name: Samples(text) for name, text in texts.items()}, health)


def _row(finding: Finding | None = None) -> ProcessRow:
    after = _reading(2.0, {"cache": finding}, cache=AFTER + STARTED)
    rows = process_rows(
        KNOWN, _reading(0.0, {}, cache=BEFORE), replace(after, samples={**after.samples, "gateway": None})
    )
    assert [row.name for row in rows] == ["gateway", "cache"]
    assert (rows[0].state, rows[0].problem) == ("gone", "gateway does not answer at g:1")
    return rows[1]


def test_only_errors_of_ours_are_errors() -> None:
    row = _row()
    assert (row.state, row.version, row.uptime_seconds) == ("up", "0.1.0", 90)
    assert row.requests_per_second == 15
    assert row.errors_per_second == 3


def test_the_health_check_decides_about_a_process_whose_metrics_answer() -> None:
    hung = _row(error("processes", "cache does not answer", "restart it"))
    assert (hung.state, hung.problem, hung.remedy) == ("failing", "cache does not answer", "restart it")
    assert _row(warning("processes", "it works without notifications", "see them")).state == "degraded"


async def test_a_store_that_hangs_is_gone_and_names_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (row,) = await ask(replace(KNOWN, redis=f"redis://:keep-this@127.0.0.1:{silent.getsockname()[1]}/0"))
    assert (row.name, row.state) == ("redis", "gone")
    assert "REDIS_URL" in row.remedy
    assert "keep-this" not in row.problem + row.remedy


def test_the_screen_says_what_to_do_and_shows_no_control_characters() -> None:
    gone = ProcessRow("cache", "c:1", "gone", problem="cache does not answer\x1b[2J", remedy="start it")
    shown = Snapshot(NOW, None, [gone], [], [], [], BackupRow(problem="no backup is configured", remedy="set it"))
    screen = io.StringIO()
    Console(file=screen, width=160).print(draw(shown))
    lines = screen.getvalue()
    assert "cache does not answer\N{REPLACEMENT CHARACTER}[2J: start it" in lines
    assert "no backup is configured: set it" in lines
    assert "\x1b" not in lines
    assert not shown.is_whole
