"""Stores many rows by the fastest way that an engine has and allows: COPY, LOAD DATA, or many rows in one INSERT."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from services.identity.store.engine import store_url
from services.identity.store.engine.operator_engine import operator_engine

Row = Sequence[Any]
Load = Callable[[Connection, str, Sequence[str], Sequence[Row]], None]
"""Stores rows of a table with these columns in the transaction of a connection."""
ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@contextmanager
def loading(url: str) -> Iterator[tuple[Engine, Load]]:
    """Open a database for bulk loads, and choose how it is loaded."""
    store = store_url.parse(url)
    if store.kind == "mysql":
        address, arguments = store.for_operator()
        # The server can then ask for any file of ours, so this is for seeding alone, which production refuses.
        engine = create_engine(
            address, connect_args={**arguments, "local_infile": True}, poolclass=NullPool, hide_parameters=True
        )
    else:
        engine = operator_engine(store)
    if store.kind == "sqlite":
        _keep_foreign_keys(engine)
    try:
        yield engine, _way(engine)
    finally:
        engine.dispose()


def _keep_foreign_keys(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")


def _way(engine: Engine) -> Load:
    match engine.dialect.name:
        case "postgresql":
            return _copy
        case "mysql":
            with engine.connect() as connection:
                allowed = connection.scalar(text("SELECT @@local_infile"))
            return _load_data if allowed else insert_many
    return insert_many


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        copy.write(lines(rows))


def _load_data(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    # PyMySQL reads a file by its name.
    with tempfile.TemporaryDirectory(prefix="trivet-seed-") as folder:
        file = Path(folder) / table
        file.write_text(lines(rows), encoding="utf-8")
        into = f"INTO TABLE {table} CHARACTER SET utf8mb4 ({', '.join(columns)})"
        connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE '{file}' {into}")


def insert_many(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows where an engine has no bulk load, or does not allow it. PyMySQL makes statements of many rows."""
    if not rows:
        return
    driver: Any = connection.connection.driver_connection
    places = ", ".join(["?" if connection.dialect.name == "sqlite" else "%s"] * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # names of ours
    cursor = driver.cursor()
    cursor.executemany(statement, [tuple(map(_value, row)) for row in rows])
    cursor.close()


def _value(value: Any) -> Any:
    """Return a value as SQLite and MySQL store it: times are texts without a zone."""
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value


def lines(rows: Sequence[Row]) -> str:
    """Return rows as text that COPY and LOAD DATA read alike: tabs between values, `\\N` for null."""
    return "".join("\t".join(map(_spelled, row)) + "\n" for row in rows)


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return value.translate(ESCAPED)
    if value is None:
        return "\\N"
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    return str(value)
