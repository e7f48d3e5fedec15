"""The database to import from. It is read page by page and never written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    TableClause,
    column,
    event,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import Boolean, Date, DateTime, TypeEngine

from ops.errors import CommandFailed, WrongSettings
from ops.identity.database_failures import failure
from ops.identity.importing.report import Report
from ops.identity.importing.source.times import Times, Unit, numbers_by_column
from ops.identity.importing.source.zones import (
    FURTHEST,
    ServerZone,
    assumed,
    is_ahead,
    is_zoneless,
    local_now,
    of_driver,
    server_zone,
)
from ops.output import note
from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.faults.errors import code_of

SESSION = {
    # The session keeps the server's zone, so that TIMESTAMP columns read as in the app's sessions.
    "mysql": ("SET SESSION TRANSACTION READ ONLY",),
    "postgresql": (),
    "sqlite": ("PRAGMA query_only = ON",),
}
# A pooler gives PostgreSQL's sessions to other clients, so settings must be those of a transaction.
TRANSACTION = {
    "mysql": (),
    "postgresql": ("SET TRANSACTION READ ONLY",),
    "sqlite": ("BEGIN",),
}
NOT_SUPPORTED = 1235  # TiDB has no read-only transactions; only SELECT is sent anyway
STREAMED = 2_000
Row = dict[str, Any]


class Source:
    """A connection with one read-only transaction, if the engine has them: all pages show the same moment.

    Values are those of the driver, because SQLite's declared types do not bind. `zone` applies to times without a
    zone, and `unit` to times that are numbers. Both are None by default.
    """

    def __init__(
        self, connection: Connection, zone: tzinfo | None = None, unit: Unit | None = None, *, option: str = "--from"
    ) -> None:
        self._connection = connection
        self.dialect = connection.dialect.name
        self._names = set(inspect(connection).get_table_names())
        self._declared: dict[str, dict[str, TypeEngine[Any]]] = {}
        self._zone = zone
        self._unit = unit
        self._option = option
        self.remarks: list[str] = []
        """Warnings about how times are read."""

    def find(self, *names: str) -> TableClause | None:
        """Return the first of these tables that exists, with all columns. Returns None if none exists."""
        name = next((name for name in names if name in self._names), None)
        if name is None:
            return None
        found = inspect(self._connection).get_columns(name)
        self._declared[name] = {each["name"]: each["type"] for each in found}
        return table(quoted_name(name, True), *(column(quoted_name(each["name"], True)) for each in found))

    def plan(self, new: Table) -> TableClause:
        """Return a table that does not exist yet, with the columns that it would be created with."""
        dialect = self._connection.dialect
        self._declared[new.name] = {each.name: each.type.dialect_impl(dialect) for each in new.c}
        return table(quoted_name(new.name, True), *(column(quoted_name(each.name, True)) for each in new.c))

    def times(self, of: TableClause, columns: Sequence[str], past: Sequence[str] = ()) -> Times:
        """Return a reader for columns of times. It examines all their values. Times in `past` are not in the future.

        Raises WrongSettings if the operator must set the zone.
        """
        zoneless = self.zoneless(of, columns)
        zone = self._zone or (assumed(self._option, self.server_zone) if zoneless else UTC)
        if zoneless:
            self._compare(of, [name for name in past if name in zoneless], zone)
            self.remarks.append(
                f"the times in `{of.name}` ({', '.join(zoneless)}) are stored without a zone and read as {zone}; the "
                f"server's own is {self.server_zone.name}: if the app writes another, use --time-zone"
            )
        loose = [name for name in columns if self._may_hold_numbers(self._declared[of.name][name])]
        rows = self.stream(select(*(of.c[name] for name in loose))) if loose and of.name in self._names else ()
        return Times(zone, numbers_by_column(loose, rows), warned=bool(zoneless), unit=self._unit)

    def _may_hold_numbers(self, declared: TypeEngine[Any]) -> bool:
        """Whether a column can have numbers."""
        return self.dialect == "sqlite" or not isinstance(declared, DateTime | Date)

    def zoneless(self, of: TableClause, columns: Sequence[str]) -> list[str]:
        """Return the columns that store times without a zone."""
        return [name for name in columns if is_zoneless(self._declared[of.name][name], self.dialect)]

    def declared(self, of: TableClause, column: str) -> TypeEngine[Any]:
        """Return the declared type of a column."""
        return self._declared[of.name][column]

    def is_boolean(self, of: TableClause, column: str) -> bool:
        """Whether a column is declared as boolean. MySQL has no such type."""
        return isinstance(self._declared[of.name][column], Boolean)

    @cached_property
    def server_zone(self) -> ServerZone:
        return server_zone(self._connection)

    def _compare(self, of: TableClause, columns: Sequence[str], zone: tzinfo) -> None:
        """Compare the newest times with now. A time hours in the future was written in another zone."""
        for name in columns:
            near = self.all(select(func.max(of.c[name])).where(of.c[name] <= local_now(zone) + FURTHEST))
            if not is_ahead(near[0][0], zone):
                continue
            ahead = f"the newest time in `{of.name}`.{name} is in the future if its zone is {zone}"
            if self._zone is None:
                raise WrongSettings(f"{self._option}: {ahead}: use --time-zone with the zone that the app writes")
            self.remarks.append(f"{ahead}: is --time-zone right?")

    def count(self, of: TableClause) -> int:
        return int(self._connection.execute(select(func.count()).select_from(of)).scalar_one())

    def skip_keyless(self, of: TableClause, key: str, counted_as: str, report: Report) -> int:
        """Report rows whose key is null, which `pages` leaves out. Return their number."""
        keyless = select(func.count()).select_from(of).where(of.c[key].is_(None))
        number = int(self._connection.execute(keyless).scalar_one())
        if number:
            report.skip(counted_as, f"the column {key} is empty", None, number)
        return number

    def pages(self, of: TableClause, key: str, size: int, *where: ColumnElement[bool]) -> Iterator[Sequence[Row]]:
        """Yield a table's rows in pages, sorted by a key. Rows whose key is null are left out.

        A page is larger if several rows have its last key. The engine compares: for MySQL `ABC` equals `abc`.
        """
        column, last_key = of.c[key], None
        while True:
            after = [column.is_not(None), *where] + ([] if last_key is None else [column > last_key])
            last = self._connection.execute(select(column).where(*after).order_by(column).offset(size - 1).limit(1))
            last_key = last.scalar()
            if last_key is not None:
                after.append(column <= last_key)
            rows = [dict(row) for row in self._connection.execute(select(of).where(*after).order_by(column)).mappings()]
            if rows:
                yield rows
            if last_key is None:
                return

    def stream(self, statement: Any) -> Iterator[Any]:
        """Yield the rows of a large result without keeping all of them in memory."""
        with self._connection.execute(statement, execution_options={"yield_per": STREAMED}) as rows:
            yield from rows

    def all(self, statement: Any) -> Sequence[Any]:
        """Return all rows of a small result."""
        return self._connection.execute(statement).all()


@contextmanager
def opened(address: str, zone: tzinfo | None = None, unit: Unit | None = None) -> Iterator[Source]:
    """Open a source by its URL. Raises WrongSettings and CommandFailed with advice for the operator."""
    try:
        store = store_url.parse_usable(address)
    except ValueError as error:
        raise WrongSettings(f"--from: {error}") from None
    if store.kind == "sqlite" and not Path(store.url.database or "").is_file():
        raise WrongSettings("--from: the SQLite file does not exist")
    note_ignored("--from", store)
    engine = operator_engine(store)
    try:
        with _reading(engine, store) as connection:
            yield Source(connection, zone or of_driver(store.parameters.time_zone), unit)
    except DBAPIError as error:
        code = code_of(error) or "no code"
        raise failure(error, address, "--from") or CommandFailed(f"--from: the database fails ({code})") from None
    finally:
        engine.dispose()


def note_ignored(option: str, store: StoreUrl) -> None:
    """Print which parameters of a URL have no effect."""
    for name, why in store.parameters.ignored.items():
        if name.lower() not in ("timezone", "servertimezone"):
            note(f"{option}: the parameter {name} has no effect here: {why}")


@contextmanager
def _reading(engine: Engine, store: StoreUrl) -> Iterator[Connection]:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        _take_anything(store.kind, connection)
        for statement in SESSION[store.kind]:
            try:
                cursor.execute(statement)
            except connection.Error as error:
                if error.args[0] != NOT_SUPPORTED:
                    raise
        cursor.close()
        if store.kind == "mysql":
            connection.commit()

    level = {} if store.kind == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**level) as connection:
        for statement in TRANSACTION[store.kind]:
            connection.execute(text(statement))
        yield connection


def _take_anything(kind: str, connection: Any) -> None:
    """Make the driver return values that Python cannot represent as text, so that one of them does not fail a page."""
    if kind == "sqlite":
        connection.text_factory = _text
    elif kind == "postgresql":
        from psycopg.types import datetime as types

        for name in ("Date", "Time", "Timetz", "Timestamp", "Timestamptz", "Interval"):
            connection.adapters.register_loader(name.lower(), _tolerant(getattr(types, f"{name}Loader")))


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _tolerant(loader: Any) -> Any:
    from psycopg import DataError

    class Tolerant(loader):  # type: ignore[misc]  # a class of psycopg
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except DataError:
                return bytes(data).decode()

    return Tolerant
