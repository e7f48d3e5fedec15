"""The output of subcommands: tables for people, JSON for programs."""

import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 250
"""The width in columns if the output is no terminal, so that nothing is cut for a pipe."""
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return a text without control characters, which could steer a terminal."""
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def moment(time: datetime | None) -> str:
    """Return a time in UTC, to the second, or a dash for None."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "-"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str | None] = ()) -> None:
    """Print rows under headings. Colors are used only on a terminal; `styles` has those of each row, if any."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = WIDE
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for place, row in enumerate(rows):
        shown.add_row(*(Text(plain(cell)) for cell in row), style=styles[place] if styles else None)
    console.print(shown)


def as_json(value: Any) -> None:
    """Print a value as JSON, with times in ISO 8601."""
    print(json.dumps(value, default=_iso, ensure_ascii=False, indent=2))


def note(text: str) -> None:
    """Print a remark to standard error, so that standard output holds only the result."""
    print(f"trivet: {text}", file=sys.stderr)


def warn_of_password(option: str, address: str, variable: str) -> None:
    """Warn if an option holds a URL with a password, because all users of the machine can read arguments."""
    try:
        parts = urlsplit(address)
        has_password = bool(parts.password) or "password" in parse_qs(parts.query)
    except ValueError:
        return
    if has_password and any(address in argument for argument in sys.argv):
        note(f"warning: other users of this machine can read the password in {option}: set {variable} instead")


def _iso(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form in JSON")
