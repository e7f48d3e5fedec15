"""A part of the stack: a program to keep running, and how to ask whether it is ready."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Probe = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True)
class ProcessSpec:
    """`probe` raises Unready until the part is ready; `log` takes what it writes, None the operator's console."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    host: str
    port: int
    probe: Probe
    log: Path | None = None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"
