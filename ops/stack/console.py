"""The output of `trivet run`: colored on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

COLORS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta")
NAME_WIDTH = 14
ROW_WIDTH = 22


class StackConsole:
    """Prints what happens to each process, one line per event."""

    def __init__(self) -> None:
        self._out = Console(soft_wrap=True, highlight=False, emoji=False)
        self._log = Console(file=sys.stderr, soft_wrap=True, highlight=False, emoji=False, markup=False)
        self._colors: dict[str, str] = {}

    @property
    def is_terminal(self) -> bool:
        return self._out.is_terminal

    def say(self, text: str) -> None:
        self._out.print(f"trivet: {escape(text)}")

    def ready(self, name: str, address: str, seconds: float) -> None:
        self._out.print(f"  {self._name(name)} ready after [bold]{seconds * 1000:.0f} ms[/] on {escape(address)}")

    def waiting(self, name: str, why: str) -> None:
        self._out.print(f"  {self._name(name)} [yellow]is not ready: {escape(why)}[/]")

    def died(self, name: str, how: str, again_in: float) -> None:
        self._out.print(f"  {self._name(name)} [red]{escape(how)}[/], starting again in {again_in:.1f} s")

    def summary(self, headline: str, rows: Iterable[tuple[str, str]]) -> None:
        """Print the headline and a row for each address."""
        self._out.print(f"[bold green]trivet: {escape(headline)}[/]")
        for name, value in rows:
            self._out.print(f"  {escape(name):<{ROW_WIDTH}} {escape(value)}")

    def line(self, name: str, text: str) -> None:
        """Print a line of a process's log."""
        self._log.out(f"{name:<{NAME_WIDTH}}|", style=self._color(name), end=" ")
        self._log.file.write(text + "\n")

    def _name(self, name: str) -> str:
        return f"[{self._color(name)}]{name:<{NAME_WIDTH}}[/]"

    def _color(self, name: str) -> str:
        return self._colors.setdefault(name, COLORS[len(self._colors) % len(COLORS)])
