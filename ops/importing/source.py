"""The database that is imported from: read a page at a time, and never written to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    TableClause,
    column,
    create_engine,
    event,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.elements import quoted_name

from ops.errors import Refused, WrongSettings
from services.identity import store_url
from services.identity.store_errors import code_of, is_wrong_credentials
from services.identity.store_url import StoreUrl

SETUP = {
    # Times without a zone are UTC, as Better Auth writes them where Node runs in UTC.
    "mysql": ("SET SESSION time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY"),
    "postgresql": ("SET TIME ZONE 'UTC'", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    "sqlite": ("PRAGMA query_only = ON",),
}
Row = dict[str, Any]


class Source:
    """A connection in one transaction that only reads, where the engine can: all pages are of one moment.

    Values come as the driver has them: what a column is declared as says little in SQLite.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names = set(inspect(connection).get_table_names())

    def find(self, *names: str) -> TableClause | None:
        """Return the first of these tables that is there, with all of its columns; None if none is."""
        name = next((name for name in names if name in self._names), None)
        if name is None:
            return None
        found = inspect(self._connection).get_columns(name)
        return table(quoted_name(name, True), *(column(quoted_name(each["name"], True)) for each in found))

    def count(self, of: TableClause) -> int:
        return int(self._connection.execute(select(func.count()).select_from(of)).scalar_one())

    def pages(self, of: TableClause, key: str, size: int, *where: ColumnElement[bool]) -> Iterator[Sequence[Row]]:
        """Yield a table's rows in the order of a unique column, so many at a time; without those where it is null."""
        place: Any = None
        while True:
            statement = select(of).where(of.c[key].is_not(None), *where).order_by(of.c[key]).limit(size)
            if place is not None:
                statement = statement.where(of.c[key] > place)
            rows = [dict(row) for row in self._connection.execute(statement).mappings()]
            if rows:
                yield rows
            if len(rows) < size:
                return
            place = rows[-1][key]

    def all(self, statement: Any) -> Sequence[Any]:
        """Return what a small question finds."""
        return self._connection.execute(statement).all()


@contextmanager
def opened(address: str) -> Iterator[Source]:
    """Open a source by its URL. Raises WrongSettings and Refused with what the operator can mend."""
    try:
        store = store_url.parse(address)
    except ValueError as error:
        raise WrongSettings(f"--from: {error}") from None
    if store.kind == "sqlite" and not Path(store.url.database or "").is_file():
        raise WrongSettings("--from: there is no such SQLite file")
    url, arguments = store.for_operator()
    engine = create_engine(url, connect_args=arguments, poolclass=NullPool, hide_parameters=True)
    try:
        with _reading(engine, store) as connection:
            yield Source(connection)
    except DBAPIError as error:
        if is_wrong_credentials(error) or "password authentication failed" in str(error):
            raise WrongSettings("--from: the database refuses the user, the password or the name") from None
        raise Refused(f"--from: the database fails or does not answer ({code_of(error) or 'no code'})") from None
    finally:
        engine.dispose()


@contextmanager
def _reading(engine: Engine, store: StoreUrl) -> Iterator[Connection]:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for statement in SETUP[store.kind]:
            cursor.execute(statement)
        cursor.close()
        if store.kind != "sqlite":
            connection.commit()

    level = {} if store.kind == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**level) as connection:
        if store.kind == "sqlite":
            connection.execute(text("BEGIN"))
        yield connection
