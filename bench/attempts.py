"""Measurements that may fail: one that does says why, and takes no other along."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Attempts:
    """What was tried, and what came of those that failed."""

    console: Console
    failed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Say what is being done, do it, and keep the reason if it fails."""
        self.console.print(what, markup=False)
        try:
            yield
        except Exception as error:  # whatever it was, the other measurements stand
            self.failed[what] = f"{type(error).__name__}: {error}"
            self.console.print(f"[red]failed[/]: {what}")
            self.console.print("".join(traceback.format_exception(error)), markup=False)
