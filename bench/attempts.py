"""Runs measurements. One that fails reports the reason and does not stop the others."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Attempts:
    """Collects the reasons of failed measurements, by name."""

    console: Console
    failed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Print `what`, run the block, and record the reason if it fails."""
        self.console.print(what, markup=False)
        try:
            yield
        except Exception as error:  # any failure: the other measurements continue
            self.failed[what] = f"{type(error).__name__}: {error}"
            self.console.print(f"[red]failed[/]: {what}")
            self.console.print("".join(traceback.format_exception(error)), markup=False)
