"""All rows of the screen at one moment."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ops.backup.settings import BackupSettings
from ops.stack.endpoints import Endpoints
from ops.status.backup_row import BackupRow, backup_row
from ops.status.process_rows import GONE, ProcessRow, process_rows, windows
from ops.status.queue_rows import QueueRow, queue_rows
from ops.status.reading import Reading, read
from ops.status.samples import Window
from ops.status.store_rows import StoreRow, ask, with_use


@dataclass(frozen=True)
class CacheRow:
    """The reads of one namespace of the cache, since the last reading."""

    namespace: str
    hits_per_second: float
    misses_per_second: float


@dataclass(frozen=True)
class Snapshot:
    """The state of a system. `window_seconds` is the time that rates and latencies are of; None for a first reading."""

    at: datetime
    window_seconds: float | None
    processes: Sequence[ProcessRow]
    stores: Sequence[StoreRow]
    cache: Sequence[CacheRow]
    queues: Sequence[QueueRow]
    backup: BackupRow

    @property
    def is_whole(self) -> bool:
        """Whether all processes and stores answer."""
        return GONE not in {*(row.state for row in self.processes), *(row.state for row in self.stores)}

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def snapshot(
    known: Endpoints, settings: BackupSettings, before: Reading | None = None
) -> tuple[Snapshot, Reading]:
    """Read the system. Return its state since the reading `before`, and the new reading."""
    after, stores = await asyncio.gather(read(known), ask(known))
    seen = dict(windows(before, after))
    shown = Snapshot(
        after.at,
        after.monotonic - before.monotonic if before else None,
        process_rows(known, before, after),
        with_use(stores, seen),
        [row for name, window in seen.items() if name == "cache" for row in _cache_rows(window)],
        queue_rows(seen),
        await backup_row(settings, seen, after.at),
    )
    return shown, after


def _cache_rows(window: Window) -> list[CacheRow]:
    names = {
        *window.after.by("trivet_cache_hits_total", "namespace"),
        *window.after.by("trivet_cache_misses_total", "namespace"),
    }
    return [
        CacheRow(
            name,
            window.rate("trivet_cache_hits_total", namespace=name) or 0.0,
            window.rate("trivet_cache_misses_total", namespace=name) or 0.0,
        )
        for name in sorted(names)
    ]
