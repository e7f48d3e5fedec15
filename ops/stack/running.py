"""The file running.json in the data folder: the addresses of the running stack, for other commands."""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "running.json"


@dataclass(frozen=True)
class Running:
    """A running stack. Its services' health checks know its `stack_id`."""

    stack_id: str
    url: str
    services: Mapping[str, str]
    stores: Mapping[str, str] = field(default_factory=dict)
    """The addresses of the embedded stores, by the variables that services read them from."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """The addresses of /metrics, by process. A gateway of several workers has one for each: gateway, gateway-2, ..."""


def new_stack_id() -> str:
    """Return the id of one run of a stack."""
    return secrets.token_hex(8)


@contextmanager
def announced(folder: Path, running: Running) -> Iterator[None]:
    """Write the file, and delete it after the block. The caller must have locked the folder."""
    fresh, kept = folder / f".{NAME}", folder / NAME
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(running), file, indent=2)
    fresh.replace(kept)  # a reader sees the whole file or none
    try:
        yield
    finally:
        kept.unlink(missing_ok=True)


def found(folder: Path) -> Running | None:
    """Return the stack that runs in a data folder, None if none does. A file left by a killed stack is ignored."""
    try:
        with (folder / "lock").open("rb") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # no stack has locked the folder
        return Running(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
