"""`trivet backup prune | schedule`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ops.backup.commands.making import created
from ops.backup.commands.options import From, To, app, read_backup_settings
from ops.errors import WrongSettings

if TYPE_CHECKING:
    import threading


@app.command()
def prune(
    at: From = "",
    keep: Annotated[
        str,
        typer.Option(
            "--keep", metavar="RULES", help="What to keep, as in `7 daily, 4 weekly`. Defaults to TRIVET_BACKUP_KEEP."
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be deleted.")] = False,
) -> None:
    """Delete the backups that need not be kept, and print them. The newest one is always kept."""
    from ops.backup.destinations.addresses import destination_at
    from ops.backup.pruning import prune as prune_backups
    from ops.backup.retention import rules_in

    settings = read_backup_settings()
    rules = rules_in(keep) if keep else settings.rules
    for backup_id in prune_backups(destination_at(at or settings.to), rules, dry_run=dry_run):
        print(backup_id)


@app.command()
def schedule(
    to: To = "",
    every: Annotated[
        float,
        typer.Option(
            "--every",
            min=0,
            metavar="HOURS",
            help="The hours between two backups. Defaults to TRIVET_BACKUP_EVERY_HOURS.",
        ),
    ] = 0,
) -> None:
    """Make a backup whenever one is due, delete those that need not be kept, and serve /metrics, until SIGTERM.

    `trivet run` does this itself if TRIVET_BACKUP_EVERY_HOURS is set. Cron can run `create` and `prune` instead.
    """
    from datetime import timedelta

    from ops.backup.destinations.addresses import destination_at
    from ops.backup.schedule import Schedule
    from runtime.telemetry.tracing import start_metrics

    settings = read_backup_settings()
    hours = every or settings.every_hours
    if not hours:
        raise WrongSettings("set TRIVET_BACKUP_EVERY_HOURS, or give --every: the hours between two backups")
    destination = destination_at(to or settings.to)
    stopping = _stopped_by_sigterm()
    planned = Schedule(destination, lambda: created(settings, destination), timedelta(hours=hours), settings.rules)
    if settings.metrics_port:
        start_metrics(settings.host, settings.metrics_port)
    planned.run(stopping)


def _stopped_by_sigterm() -> "threading.Event":
    """Return an event that SIGTERM sets. It also ends a backup that is being made: nothing of it is left."""
    import signal
    import threading

    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    return stopping
