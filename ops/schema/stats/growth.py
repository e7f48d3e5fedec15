"""What was there at the last look: a file in the data folder, by the address of the store."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.schema.stats.sizes import Grown, Growth, Size
from runtime.clock import utc_now

NAME = "stats.json"


def since_last_look(folder: Path, place: str, sizes: Sequence[Size]) -> Grown:
    """Return how much each grew since the last look at this place. Anything unreadable counts as no look."""
    before = _read(folder).get(place, {})
    grown: dict[str, Growth] = {}
    for size in sizes:
        try:
            row = before[size.key]
            lost = size.bytes is None or row["bytes"] is None
            more = None if lost else (size.bytes or 0) - int(row["bytes"])
            grown[size.key] = Growth(size.rows - int(row["rows"]), more, datetime.fromisoformat(row["at"]))
        except (KeyError, TypeError, ValueError):
            continue
    return grown


def keep(folder: Path, place: str, sizes: Sequence[Size]) -> None:
    """Keep this look for the next one. Raises OSError if the folder cannot be written."""
    at = utc_now().isoformat()
    every = _read(folder)
    every[place] = {size.key: {"rows": size.rows, "bytes": size.bytes, "at": at} for size in sizes}
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{NAME}"
    fresh.write_text(json.dumps(every), encoding="utf-8")
    fresh.replace(folder / NAME)  # a reader sees the whole file or none


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
