"""Exports users to a Better Auth database: the one that they came from, or an empty one."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, make_url, or_
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DataError, DBAPIError

from ops.errors import CommandFailed, WrongSettings
from ops.identity.database_failures import failure
from ops.identity.exporting import tables
from ops.identity.exporting.column_encoding import ColumnEncoder
from ops.identity.exporting.records import Record, account_record, user_record
from ops.identity.exporting.statements import Statements
from ops.identity.exporting.users import ExportedUser
from ops.identity.importing.better_auth import ACCOUNT, USER
from ops.identity.importing.report import Report
from ops.identity.importing.source.mapped_table import MappedTable, map_columns
from ops.identity.importing.source.source import Source, note_ignored
from ops.identity.importing.source.times import Unit
from ops.identity.importing.source.values import TIMES
from ops.identity.importing.source.zones import of_driver
from ops.identity.importing.users import OWNER_SKIPPED
from runtime.sealing import Sealer
from services.identity.passwords.credentials import CREDENTIAL
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.faults.codes import Fault
from services.identity.store.faults.errors import code_of, fault_of

OURS = frozenset({"users", "outbox", "requests", "stripe_events"})
"""Tables that together exist only in Trivet's databases."""
DOES_NOT_FIT = (1264, 1292, 1366, 1406)
"""MySQL's error numbers for a value that does not fit its column. Its driver reports some as operational."""
COLUMN = re.compile(r"column [`']?(?:\w+[`']\.[`'])*(\w+)[`']? at row")
ADMIN = ("role", "banned", "banReason", "banExpires")


class BetterAuthTarget:
    """A Better Auth database. Each page is written in one transaction.

    Users who exist there, by id, get our values. Their sessions there end, because they can be revoked here. A dry
    run makes the same decisions and changes nothing.
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer | None,
        zone: tzinfo | None = None,
        unit: Unit | None = None,
        *,
        dry_run: bool = False,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._dry_run = dry_run
        self._moved: set[str] = set()
        """Users whose address an export would have changed by now. A dry run still finds the old one."""
        with engine.begin() as connection:
            if _is_ours(connection):
                raise WrongSettings(
                    "--to: this database is Trivet's own: name Better Auth's, an empty one, or a new file for JSON"
                )
            there = set(inspect(connection).get_table_names())
            self.new_tables = [table for table in tables.metadata.sorted_tables if table.name not in there]
            if not dry_run:
                tables.metadata.create_all(connection, self.new_tables)
        self._missing = {table.name for table in self.new_tables} if dry_run else set()
        with engine.connect() as connection:
            source = Source(connection, zone, unit, option="--to")
            found = {
                each.name: source.plan(each) if each.name in self._missing else source.find(each.name)
                for each in tables.metadata.sorted_tables
            }
            self._user = _named(found["user"], (*USER,), ("id", "email", "name"))
            self._account = _named(found["account"], ACCOUNT, ACCOUNT[:4])
            self._session = _named(found["session"], ("id", "userId"), ("id", "userId"))
            self._written = {each.table.name: ColumnEncoder(each, source) for each in (self._user, self._account)}
            self.remarks = source.remarks

    def others(self, report: Report) -> int:
        """Return the number of users in the target that the export did not write."""
        with self._engine.connect() as connection:
            there = self._statements(connection).count(self._user.table)
        new = 0 if self._dry_run else report.counts["users", "exported"]
        return there - new - report.counts["users", self._outcome("updated there")]

    def _statements(self, connection: Connection) -> Statements:
        return Statements(connection, self._missing, dry_run=self._dry_run)

    def _outcome(self, done: str) -> str:
        return f"would be {done}" if self._dry_run else done

    def write(self, people: Sequence[ExportedUser], report: Report) -> None:
        """Write a page of users. Raises CommandFailed if the database fails; earlier pages stay written.

        A user whose values do not fit is skipped. For example, MySQL's TIMESTAMP ends in 2038.
        """
        page = Report()
        try:
            with self._engine.begin() as connection:
                target = self._statements(connection)
                written = self._write_users(target, people, page)
                self._write_accounts(target, written, page)
                self._end_sessions(target, written, page)
        except DBAPIError as error:
            if isinstance(error, DataError) or code_of(error) in DOES_NOT_FIT:
                self._write_each(people, _refused_value(error), report)
                return
            if fault_of(error) in (Fault.SCHEMA, Fault.BUG):
                raise CommandFailed(
                    f"--to: the tables do not take our rows ({code_of(error)}): are they Better Auth's?"
                ) from None
            raise
        report.add(page)

    def _write_each(self, people: Sequence[ExportedUser], reason: str, report: Report) -> None:
        if len(people) == 1:
            report.skip("users", reason, people[0].user["id"])
            _skip_accounts(people[0], report)
            return
        for person in people:
            self.write([person], report)

    def _write_users(self, target: Statements, people: Sequence[ExportedUser], report: Report) -> list[ExportedUser]:
        table, names = self._user.table, self._user.spelled
        user_id, email = table.c[names["id"]], table.c[names["email"]]
        ids, emails = [each.user["id"] for each in people], [each.user["email"] for each in people]
        rows = target.select(table, (user_id, email), or_(user_id.in_(ids), email.in_(emails)))
        addresses = {str(row[0]): row[1] for row in rows}
        owners = {address: owner for owner, address in addresses.items() if owner not in self._moved}
        written: list[ExportedUser] = []
        fresh: list[Record] = []
        known: list[Record] = []
        for each in people:
            own = each.user["id"]
            row = self._user_row(user_record(each.user), own, losses := Report())
            if (obstacle := self._obstacle(each, owners, row)) is not None:
                report.skip("users", obstacle, own)
                _skip_accounts(each, report)
            else:
                report.add(losses)
                if each.user["banned"]:
                    report.note("users", "banned: there the admin plugin keeps them out, and nothing else does", own)
                written.append(each)
                (known if own in addresses else fresh).append(row)
        self._put(target, self._user, fresh, known)
        report.count("users", self._outcome("exported"), len(fresh))
        report.count("users", self._outcome("updated there"), len(known))
        if self._dry_run:
            moved = (each.user for each in written if addresses.get(each.user["id"]) not in (None, each.user["email"]))
            self._moved.update(user["id"] for user in moved)
        return written

    def _obstacle(self, person: ExportedUser, owners: Mapping[str, str], row: Record) -> str | None:
        """Return why a user cannot be written, None if they can. `owners` are the users there by email address."""
        if owners.get(person.user["email"], person.user["id"]) != person.user["id"]:
            return "another user there has the same email address"
        if person.user["banned"] and "banned" not in self._user.spelled:
            return "banned, and the table there has no column `banned`: they would be let in"
        return self._written[self._user.table.name].misfit(row)

    def _user_row(self, record: Record, user_id: str, report: Report) -> Record:
        columns = {each.name for each in self._user.table.c}
        row: Record = {}
        for name, value in record.items():
            if name in self._user.spelled:
                row[self._user.spelled[name]] = self._bound(self._user, name, value)
            elif name in columns:
                row[name] = json.dumps(value) if isinstance(value, list) else value
            elif value is not None and name not in ADMIN:
                report.note("users", f"the table there has no column {name}", user_id)
        return row

    def _write_accounts(self, target: Statements, people: Sequence[ExportedUser], report: Report) -> None:
        table, names = self._account.table, self._account.spelled
        records = [account_record(row, self._sealer) for each in people for row in each.accounts]
        theirs = table.c[names["userId"]].in_([each.user["id"] for each in people])
        key = [table.c[names[name]] for name in ("id", "userId", "providerId", "accountId")]
        rows = target.select(table, key, theirs) if people else []
        by_key = {tuple(map(str, row[1:])): str(row[0]) for row in rows}
        fresh: list[Record] = []
        known: list[Record] = []
        for record in records:
            there = by_key.pop((record["userId"], record["providerId"], record["accountId"]), None)
            if there is not None:
                record["id"] = there
            row = {
                names[name]: self._bound(self._account, name, value) for name, value in record.items() if name in names
            }
            if (obstacle := self._written[table.name].misfit(row)) is not None:
                report.skip("accounts", obstacle, record["id"])
                continue
            (fresh if there is None else known).append(row)
        self._put(target, self._account, fresh, known)
        report.count("accounts", self._outcome("exported"), len(fresh))
        report.count("accounts", self._outcome("updated there"), len(known))
        # A password there can have a hash that Trivet did not import. A missing provider was unlinked here.
        gone = [row_id for (_, provider, _), row_id in by_key.items() if provider != CREDENTIAL]
        if gone:
            target.delete(table, table.c[names["id"]].in_(gone))
            report.count("accounts", self._outcome("removed there: unlinked here"), len(gone))

    def _end_sessions(self, target: Statements, people: Sequence[ExportedUser], report: Report) -> None:
        if not people:
            return
        owner = self._session.table.c[self._session.spelled["userId"]]
        ended = target.delete(self._session.table, owner.in_([each.user["id"] for each in people]))
        report.count("sessions", self._outcome("ended there"), ended)

    def _put(self, target: Statements, into: MappedTable, fresh: Sequence[Record], known: Sequence[Record]) -> None:
        target.insert(into.table, fresh)
        target.update(into.table, into.spelled["id"], known)

    def _bound(self, into: MappedTable, name: str, value: Any) -> Any:
        """Return a value for the engine's driver, in the form that Better Auth reads."""
        if isinstance(value, bool):
            return self._written[into.table.name].flag(into.spelled[name], value)
        if isinstance(value, datetime) and name in TIMES:
            return self._written[into.table.name].time(into.spelled[name], value)
        return value


def _skip_accounts(person: ExportedUser, report: Report) -> None:
    for account in person.accounts:
        report.skip("accounts", OWNER_SKIPPED, account["id"])


def _refused_value(error: DBAPIError) -> str:
    """Return the reason of a refusal. MySQL and MariaDB name the column; TiDB names it only for an INSERT."""
    found = COLUMN.search(str(error.orig))
    return (
        f"the column {found[1]} there does not take the value" if found else "the columns there do not take the values"
    )


def _is_ours(connection: Connection) -> bool:
    """Whether a schema of the database has Trivet's tables."""
    inspector = inspect(connection)
    schemas = inspector.get_schema_names() if connection.dialect.name == "postgresql" else [None]
    return any(set(inspector.get_table_names(schema)) >= OURS for schema in schemas)


def _named(table: Any, wanted: Sequence[str], required: Sequence[str]) -> MappedTable:
    if table is None:
        raise WrongSettings("--to: a table of Better Auth's is missing")
    return map_columns(table, wanted, required=required)


def _refuse_to_cut(connection: Any, _record: Any) -> None:
    """Make MySQL refuse values that do not fit, whatever the server's settings."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')")
    connection.commit()


@contextmanager
def opened(
    address: str, sealer: Sealer | None, zone: tzinfo | None = None, unit: Unit | None = None, *, dry_run: bool = False
) -> Iterator[BetterAuthTarget]:
    """Open a target by its URL, and create missing tables unless `dry_run`. Raises WrongSettings and CommandFailed.

    A session on MySQL keeps the server's zone, as the app's sessions do when they read TIMESTAMP columns.
    """
    try:
        store = store_url.parse_usable(address)
    except ValueError as error:
        raise WrongSettings(f"--to: {error}") from None
    note_ignored("--to", store)
    if store.kind == "sqlite" and store.url.database:
        if not dry_run:
            os.close(os.open(store.url.database, os.O_CREAT | os.O_RDONLY, 0o600))  # a new one holds password hashes
        elif not Path(store.url.database).exists():
            store = replace(store, url=make_url("sqlite://"))  # in memory: connecting would create the file
    engine = operator_engine(store)
    if store.kind == "mysql":
        event.listen(engine, "connect", _refuse_to_cut)
    try:
        yield BetterAuthTarget(engine, sealer, zone or of_driver(store.parameters.time_zone), unit, dry_run=dry_run)
    except DBAPIError as error:
        code = code_of(error) or "no code"
        raise failure(error, address, "--to") or CommandFailed(f"--to: the database fails ({code})") from None
    finally:
        engine.dispose()
