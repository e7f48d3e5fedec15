"""`trivet status`.

What reads processes and stores is imported in the functions that use it, so that other subcommands start faster.
"""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import CommandFailed
from ops.output import WIDE, as_json

if TYPE_CHECKING:
    from ops.backup.settings import BackupSettings
    from ops.stack.endpoints import Endpoints
    from ops.status.snapshot import Snapshot

WINDOW_SECONDS = 1.0
NOTHING = (
    "no stack runs on this data folder: start it with `trivet run`, choose another with TRIVET_DATA or "
    "TRIVET_HTTP_PORT, or set TRIVET_METRICS_ADDRESSES"
)


def status(
    once: Annotated[bool, typer.Option("--once", help="Print the screen once, after a second, and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON once, after a second, and end.")] = False,
    every: Annotated[float, typer.Option(min=0.5, max=60, metavar="SECONDS", help="The screen's pause.")] = 2.0,
) -> int:
    """Show the running system: processes, stores, rates, errors, latencies, queues and the last backup.

    The screen is live until Ctrl-C; if the output is no terminal, it is printed once. Printed once, the exit status
    is 1 if a process or store is gone. It changes nothing, so it can run in production.
    """
    from ops.backup.settings import BackupSettings
    from ops.settings_reader import read_settings
    from ops.stack.endpoints import EndpointSettings, endpoints

    known, settings = endpoints(read_settings(EndpointSettings)), read_settings(BackupSettings)
    if not (known.services or known.metrics):
        raise CommandFailed(NOTHING)
    if once or json or not sys.stdout.isatty():
        shown = asyncio.run(_after_a_window(known, settings))
        _print(shown, json=json)
        return 0 if shown.is_whole else 1
    try:
        asyncio.run(_live(known, settings, every))
    except KeyboardInterrupt:  # the way to end it
        return 0
    return 0


async def _after_a_window(known: "Endpoints", settings: "BackupSettings") -> "Snapshot":
    """Read twice, so that there are rates."""
    from ops.status.reading import read
    from ops.status.snapshot import snapshot

    before = await read(known)
    await asyncio.sleep(WINDOW_SECONDS)
    return (await snapshot(known, settings, before))[0]


async def _live(known: "Endpoints", settings: "BackupSettings", every: float) -> None:
    from rich.live import Live

    from ops.status.screen import draw
    from ops.status.snapshot import snapshot

    before = None
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            shown, before = await snapshot(known, settings, before)
            live.update(draw(shown), refresh=True)
            await asyncio.sleep(every)


def _print(shown: "Snapshot", *, json: bool) -> None:
    if json:
        as_json(shown.as_dict())
        return
    from rich.console import Console

    from ops.status.screen import draw

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = WIDE
    console.print(draw(shown))
