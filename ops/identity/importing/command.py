"""`trivet import`: from Better Auth, or from a table with password hashes.

Imports of database code are inside the functions that use it, so that the other subcommands start three times faster.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import WrongSettings
from ops.output import note, warn_of_password

if TYPE_CHECKING:
    from ops.identity.importing.better_auth import BetterAuth
    from ops.identity.importing.plain import Plain
    from ops.identity.importing.report import Report
    from ops.identity.importing.source.source import Source
    from ops.identity.importing.source.times import Unit
    from ops.identity.sealing import SealingSettings

    Reader = BetterAuth | Plain

app = typer.Typer(help="Import users from another system.", no_args_is_help=True, rich_markup_mode=None)
REPORT_EVERY = 10_000
ADDRESS = (
    "The source: mysql://, mariadb://, postgresql:// or sqlite:///PATH. Put a URL with a password into the variable."
)

From = Annotated[str, typer.Option("--from", metavar="URL", envvar="TRIVET_IMPORT_FROM", help=ADDRESS)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, but write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
TimeZone = Annotated[
    str,
    typer.Option(metavar="ZONE", help="The zone of times without one: UTC, +02:00 or Europe/Berlin, for example."),
]


class UnitName(Enum):
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"


TimeUnit = Annotated[
    UnitName | None,
    typer.Option(help="The unit of times that are numbers. Default: what fits the column."),
]
Pairs = list[str]


@app.command("better-auth")
def better_auth(
    address: From,
    issuer: Annotated[
        Pairs | None, typer.Option(metavar="PROVIDER=URL", help="The issuer of an OpenID Connect provider.")
    ] = None,
    time_zone: TimeZone = "",
    time_unit: TimeUnit = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Import users, accounts and active sessions from Better Auth 1.x.

    Passwords stay valid, and with the same TRIVET_SECRET also cookies. Existing users are not changed, so that the
    import can be run again.
    """
    from ops.identity.importing.better_auth import BetterAuth
    from ops.identity.sealing import sealer

    issuers = _pairs("--issuer", issuer)

    def reader(source: "Source", settings: "SealingSettings", now: datetime) -> "Reader":
        return BetterAuth(source, settings.user_fields, sealer(settings), issuers, now)

    _run(address, time_zone, time_unit, reader, dry_run=dry_run, json=json)


@app.command()
def plain(
    address: From,
    table: Annotated[str, typer.Option(help="The table of users.")] = "users",
    columns: Annotated[
        Pairs | None,
        typer.Option("--map", metavar="OURS=THEIRS", help="Column names, by comma, for example email=mail."),
    ] = None,
    time_zone: TimeZone = "",
    time_unit: TimeUnit = None,
    dry_run: DryRun = False,
    json: AsJson = False,
) -> None:
    """Import users from a table.

    The table has the columns email and password_hash, and optionally id, name, image, email_verified, role, banned,
    created_at and updated_at. Argon2 hashes and Better Auth's scrypt hashes stay valid.
    """
    from ops.identity.importing.plain import Plain

    mapping = _pairs("--map", columns)

    def reader(source: "Source", settings: "SealingSettings", now: datetime) -> "Reader":
        return Plain(source, table, mapping, settings.user_fields, now)

    _run(address, time_zone, time_unit, reader, dry_run=dry_run, json=json)


def _run(
    address: str,
    time_zone: str,
    time_unit: UnitName | None,
    reader: "Callable[[Source, SealingSettings, datetime], Reader]",
    *,
    dry_run: bool,
    json: bool,
) -> None:
    from ops.identity.database import url
    from ops.identity.database_failures import explained
    from ops.identity.importing.source.source import opened
    from ops.identity.importing.source.zones import parsed
    from ops.identity.sealing import SealingSettings
    from ops.settings_reader import read_settings

    warn_of_password("--from", address, "TRIVET_IMPORT_FROM")
    settings = read_settings(SealingSettings)
    ours = url()
    with opened(address, parsed(time_zone), unit_of(time_unit)) as source:
        people = reader(source, settings, datetime.now(UTC))
        for line in source.remarks:
            note(f"warning: {line}")
        for name in people.missing:
            note(f"the source has no table `{name}`: skipped")
        with explained(ours, drivers=False, more="; run the import again for the remaining users"):
            report = asyncio.run(_imported(ours, people, dry_run=dry_run))
        report.remarks = [*source.remarks, *people.remarks]
    report.show(json=json)


def unit_of(named: UnitName | None) -> "Unit | None":
    """Return the unit that --time-unit names."""
    from ops.identity.importing.source.times import Unit

    return None if named is None else Unit[named.name]


async def _imported(address: str, people: "Reader", *, dry_run: bool) -> "Report":
    """Read and write page by page. Reading blocks the event loop, which has no other work then."""
    from ops.identity.identity_access import leave_it_to_the_relay
    from ops.identity.importing import claims
    from ops.identity.importing.report import Report
    from ops.identity.importing.target import Target
    from services.identity.outbox.audit import Audit
    from services.identity.outbox.outbox import Outbox
    from services.identity.store.database import Database
    from services.identity.store.engine import store_url
    from services.identity.store.engine.engine import StoreLimits
    from services.identity.store.schema.schema_check import SchemaCheck

    patient = StoreLimits(connections=2, statement_seconds=30, attempt_seconds=40, lock_seconds=20, turn_seconds=30)
    report = Report()
    async with Database.open(store_url.parse(address), patient, check_schema=SchemaCheck()) as database:
        await database.ping()
        with claims.opened() as claimed, progress("users", people.total) as advance:
            audit = Audit(database, Outbox(database, leave_it_to_the_relay))
            target = Target(database, claimed, audit, dry_run=dry_run)
            read = Report()
            for page in people.pages(read):
                report.add(await target.write(page))
                skipped = read.counts["users", "skipped"]
                report.add(read)
                read.clear()
                advance(len(page) + skipped)
            report.add(read)
    return report


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress: a bar on a terminal, else a line every 10,000 steps. Yields a function that counts steps."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

        with Progress(
            *Progress.get_default_columns()[:2],
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.update(task, advance=steps)
        return
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        if (done + steps) // REPORT_EVERY > done // REPORT_EVERY:
            note(f"{done + steps:,} of {total:,} {what}")
        done += steps

    yield advance


def _pairs(option: str, given: Pairs | None) -> dict[str, str]:
    words = [word for each in given or [] for word in each.split(",") if word]
    pairs = [word.partition("=") for word in words]
    if any(not name or not value for name, _, value in pairs):
        raise WrongSettings(f"{option} takes NAME=VALUE")
    return {name: value for name, _, value in pairs}
