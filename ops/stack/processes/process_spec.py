"""The specification of one process of the stack."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.listening import authority

Probe = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True)
class ProcessSpec:
    """A program to keep running. `probe` raises Unready until it is ready. Its output goes to the file `log`, by
    default to the console.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    host: str
    port: int
    probe: Probe
    log: Path | None = None

    @property
    def address(self) -> str:
        return authority(self.host, self.port)
