"""The file running.json in the data folder: the addresses of a running stack, for commands beside it."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "running.json"


@dataclass(frozen=True)
class Running:
    """A stack by its id, which its services answer too, and its services' addresses."""

    stack_id: str
    url: str
    services: Mapping[str, str]


def new_stack_id() -> str:
    """Return the id of one run of a stack."""
    return secrets.token_hex(8)


@contextmanager
def announced(folder: Path, running: Running) -> Iterator[None]:
    """Keep the file in the folder, which must be this stack's own, until the end."""
    fresh, kept = folder / f".{NAME}", folder / NAME
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=2)
    fresh.replace(kept)  # a reader sees the whole file or none
    try:
        yield
    finally:
        kept.unlink(missing_ok=True)


def found(folder: Path) -> Running | None:
    """Return the stack that runs in a data folder, None if none does. What a killed one left behind is not believed."""
    try:
        with (folder / "lock").open("rb") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # no stack holds its folder
        return Running(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
