"""`trivet export`: users, to Better Auth."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.errors import WrongSettings
from ops.identity.importing.command import DryRun, TimeUnit, TimeZone, UnitName, progress, unit_of
from ops.output import note, warn_of_password

if TYPE_CHECKING:
    from ops.identity.exporting.users import ExportedUser
    from ops.identity.importing.report import Report
    from runtime.sealing import Sealer

    Write = Callable[[Sequence[ExportedUser], Report], None]

app = typer.Typer(help="Export users to another system.", no_args_is_help=True, rich_markup_mode=None)
MODULE = Path(__file__).with_name("password.mjs")
WHERE = "A database URL, or a new file for JSON lines. Put a URL with a password into the variable."


@dataclass(frozen=True)
class Target:
    """The target of an export. Without a `sealer`, tokens of providers are not exported."""

    address: str
    sealer: "Sealer | None"
    time_zone: str
    time_unit: UnitName | None
    dry_run: bool


@app.callback()
def export() -> None:
    """Keep `better-auth` a subcommand while it is the only one."""


@app.command("better-auth")
def better_auth(
    to: Annotated[str, typer.Option("--to", metavar="URL|FILE", envvar="TRIVET_EXPORT_TO", help=WHERE)],
    with_tokens: Annotated[
        bool, typer.Option("--with-tokens", help="Export the tokens of OAuth providers too, in the clear.")
    ] = False,
    module: Annotated[
        Path | None,
        typer.Option(
            "--password-module",
            metavar="FILE",
            help="Write Better Auth's password.hash and .verify.",
        ),
    ] = None,
    time_zone: TimeZone = "",
    time_unit: TimeUnit = None,
    dry_run: DryRun = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Export users, accounts and password hashes to Better Auth's tables. Missing tables are created.

    Sessions are not exported, because Trivet stores only hashes of their tokens. Users sign in again.
    """
    from ops.identity.database import url
    from ops.identity.database_failures import explained
    from ops.identity.sealing import SealingSettings, sealer
    from ops.settings_reader import read_settings

    warn_of_password("--to", to, "TRIVET_EXPORT_TO")
    ours = url()
    own = sealer(read_settings(SealingSettings)) if with_tokens else None
    if module is not None:
        _write_module(module, dry_run=dry_run)
    target = Target(to, own, time_zone, time_unit, dry_run)
    with explained(ours, drivers=False):
        report = asyncio.run(_exported(ours, target))
    report.show(json=json)
    note("sessions are not exported, because only hashes of their tokens are stored: users sign in again")
    if module is None:
        note("the password hashes are Argon2id: --password-module FILE writes the module that checks them")


async def _exported(address: str, target: Target) -> "Report":
    """Read and write page by page. Writing blocks the event loop, which has no other work then.

    The schema of our database is checked before the target is opened.
    """
    from ops.identity.exporting.users import pages
    from ops.identity.identity_access import leave_it_to_the_relay
    from ops.identity.importing.report import Report
    from services.identity.outbox.outbox import Outbox
    from services.identity.store.database import Database
    from services.identity.store.engine import store_url
    from services.identity.store.schema.schema_check import SchemaCheck
    from services.identity.users.users import UserFilter, Users

    report = Report()
    async with Database.open(store_url.parse(address), check_schema=SchemaCheck()) as database:
        await database.ping()
        total = await Users(database, Outbox(database, leave_it_to_the_relay)).count(UserFilter())
        with _writer(target) as (write, finish):
            with progress("users", total) as advance:
                async for page in pages(database):
                    write(page, report)
                    advance(len(page))
            finish(report)
    return report


@contextmanager
def _writer(to: Target) -> "Iterator[tuple[Write, Callable[[Report], None]]]":
    """Open the target. Yield a function that writes a page, and one that completes the report."""
    if "://" not in to.address:
        with _new_file(Path(to.address), dry_run=to.dry_run) as write_text:
            outcome = "would be exported" if to.dry_run else "exported"
            yield _in_lines(write_text, to.sealer, outcome), lambda _: None
        return
    from ops.identity.exporting.better_auth import opened
    from ops.identity.importing.source.zones import parsed

    zone, unit = parsed(to.time_zone), unit_of(to.time_unit)
    with opened(to.address, to.sealer, zone, unit, dry_run=to.dry_run) as target:
        for line in target.remarks:
            note(f"warning: {line}")
        for table in target.new_tables:
            note(f"the table `{table.name}` would be created" if to.dry_run else f"created the table `{table.name}`")

        def finish(report: "Report") -> None:
            report.remarks = target.remarks
            if (others := target.others(report)) > 0:
                report.note("users", "in the target and not here, for example deleted here: not changed", None, others)

        yield target.write, finish


def _in_lines(write_text: Callable[[str], object], sealer: "Sealer | None", outcome: str) -> "Write":
    from ops.identity.exporting.records import account_record, lines, user_record

    def write(people: "Sequence[ExportedUser]", report: "Report") -> None:
        users = [("user", user_record(each.user)) for each in people]
        accounts = [("account", account_record(row, sealer)) for each in people for row in each.accounts]
        write_text(lines([*users, *accounts]))
        report.count("users", outcome, len(users))
        report.count("accounts", outcome, len(accounts))

    return write


@contextmanager
def _new_file(path: Path, *, dry_run: bool) -> Iterator[Callable[[str], object]]:
    """Create a file that only its owner can read: it holds password hashes. A dry run removes it again, empty."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise WrongSettings(f"{path} exists already: choose a new file") from None
    except OSError as error:
        raise WrongSettings(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if dry_run:
            path.unlink()
        yield (lambda _: None) if dry_run else file.write


def _write_module(path: Path, *, dry_run: bool) -> None:
    text = MODULE.read_text(encoding="utf-8")
    try:
        if not path.exists():
            if not dry_run:
                path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            raise WrongSettings(f"{path} exists already with other content: choose another file")
    except OSError as error:
        raise WrongSettings(f"{path} cannot be written: {error.strerror}") from None
