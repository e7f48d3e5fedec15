"""Draws a snapshot for a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.output import moment, plain
from ops.status.process_rows import UP
from ops.status.snapshot import Snapshot
from ops.status.units import UNKNOWN, bytes_of, duration, number, rate

STYLES = {UP: "green", "degraded": "yellow", "failing": "red", "gone": "bold red"}
Row = tuple[str, Sequence[str]]
"""The style of the row's first cell, and the cells."""


def draw(shown: Snapshot) -> RenderableType:
    """Return the whole screen."""
    window = (
        f"rates and latencies of the last {shown.window_seconds:.1f} s" if shown.window_seconds else "a first reading"
    )
    parts: list[RenderableType] = [
        Text(f"trivet status  {moment(shown.at)} UTC  {window}", style="bold"),
        _processes(shown),
        _stores(shown),
        _cache(shown),
        _queues(shown),
        _backup(shown),
        *_problems(shown),
    ]
    return Group(*parts)


def _processes(shown: Snapshot) -> Table:
    headings = (
        "PROCESS",
        "STATE",
        "VERSION",
        "UP FOR",
        "REQ/S",
        "ERR/S",
        "P50",
        "P99",
        "OPEN",
        "LAG P99",
        "MEMORY",
        "ADDRESS",
    )
    return _table(
        headings,
        [
            (
                STYLES[row.state],
                (
                    row.name,
                    row.state,
                    row.version or "-",
                    duration(row.uptime_seconds),
                    rate(row.requests_per_second),
                    rate(row.errors_per_second),
                    duration(row.p50_seconds),
                    duration(row.p99_seconds),
                    number(row.in_flight),
                    duration(row.loop_lag_p99_seconds),
                    bytes_of(row.memory_bytes),
                    row.address,
                ),
            )
            for row in shown.processes
        ],
    )


def _stores(shown: Snapshot) -> Table:
    headings = ("STORE", "STATE", "ENGINE", "CALLS/S", "P50", "P99", "CONNECTIONS", "WAIT P99")
    return _table(
        headings,
        [
            (
                STYLES[row.state],
                (
                    row.name,
                    row.state,
                    f"{row.engine} {row.version}".strip() or "-",
                    rate(row.calls_per_second),
                    duration(row.p50_seconds),
                    duration(row.p99_seconds),
                    f"{number(row.connections_in_use)} of {number(row.connections)}",
                    duration(row.wait_p99_seconds),
                ),
            )
            for row in shown.stores
        ],
    )


def _cache(shown: Snapshot) -> Table:
    return _table(
        ("CACHE", "HITS/S", "MISSES/S"),
        [("", (row.namespace, rate(row.hits_per_second), rate(row.misses_per_second))) for row in shown.cache],
    )


def _queues(shown: Snapshot) -> Table:
    return _table(
        ("QUEUE", "WAITING", "OLDEST", "LOST"),
        [
            (
                "red" if row.remedy else "",
                (row.name, number(row.waiting), duration(row.oldest_seconds), number(row.lost)),
            )
            for row in shown.queues
        ],
    )


def _backup(shown: Snapshot) -> Table:
    row = shown.backup
    cells = (
        moment(row.newest_at),
        duration(row.age_seconds),
        bytes_of(row.size_bytes),
        number(row.failed_in_a_row),
        row.place or UNKNOWN,
        row.problem,
    )
    headings = ("LAST BACKUP (UTC)", "AGE", "SIZE", "FAILED SINCE", "PLACE", "")
    return _table(headings, [("yellow" if row.problem else "", cells)])


def _problems(shown: Snapshot) -> Iterable[Text]:
    """Return a line for each row that needs the operator: what is wrong and what to do."""
    lines = [(each.problem, each.remedy) for each in shown.processes]
    lines += [(each.problem, each.remedy) for each in shown.stores]
    lines += [(f"{each.name}: {number(each.lost)} lost", each.remedy) for each in shown.queues]
    lines.append((shown.backup.problem, shown.backup.remedy))
    return [Text(plain(f"{problem}: {remedy}"), style="yellow") for problem, remedy in lines if remedy]


def _table(headings: Sequence[str], rows: Sequence[Row]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, 2, 0, 0))
    for place, heading in enumerate(headings):
        shown.add_column(heading, overflow="fold", min_width=18 if place == 0 else None)
    for style, cells in rows:
        shown.add_row(Text(plain(cells[0]), style), *(Text(plain(cell)) for cell in cells[1:]))
    return shown
