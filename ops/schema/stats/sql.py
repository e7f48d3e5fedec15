"""The sizes of tables and their indexes, as each engine of SQL tells them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Inspector, Row, Table, UniqueConstraint, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from ops.schema.stats.sizes import EXACT_ROWS, IndexSize, Size
from services.identity.schema import metadata
from services.identity.store.schema.migrate import opened
from services.identity.store.sizes import COUNTERS, TABLES, USES

Rows = Sequence[Row[Any]]
NOT_COUNTED = "MariaDB does not count the uses of indexes: SET GLOBAL userstat = 1, and look again later"

INDEX_BYTES = {
    "postgresql": (
        "SELECT relname, indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes "
        "WHERE schemaname = ANY(current_schemas(false))"
    ),
    "mysql": (
        "SELECT table_name, index_name, stat_value * @@innodb_page_size FROM mysql.innodb_index_stats "
        "WHERE database_name = DATABASE() AND stat_name = 'size'"
    ),
    "sqlite": (
        "SELECT m.tbl_name, m.name, sum(d.pgsize) FROM sqlite_master m JOIN dbstat d ON d.name = m.name "
        "WHERE m.type = 'index' GROUP BY m.tbl_name, m.name"
    ),
}


def look(url: str) -> tuple[list[Size], list[IndexSize], list[str]]:
    """Return the tables of ours, their indexes, and remarks."""
    with opened(url) as engine:

        def asked(statement: str) -> Rows | None:
            """Run a statement in a transaction of its own; None if the user may not, or there is no such table."""
            try:
                with engine.connect() as connection:
                    return connection.execute(text(statement)).all()
            except DBAPIError:
                return None

        dialect = engine.dialect.name
        with engine.connect() as connection:
            sizes = [_size(connection, row) for row in _tables(connection, asked) if row[0] in metadata.tables]
            declared = _declared(connection)
        bytes_of = _by_name(asked(INDEX_BYTES[dialect]))
        source = _source_of_uses(dialect, asked)
        uses = _by_name(asked(USES[source])) if source else None
        indexes = [
            IndexSize(
                "sql",
                table,
                name,
                bytes_of.get((table, name)),
                None if uses is None or is_missing else uses.get((table, name), 0),
                is_unique=is_unique,
                is_missing=is_missing,
            )
            for table, name, is_unique, is_missing in declared
        ]
        remarks = [NOT_COUNTED] if getattr(engine.dialect, "is_mariadb", False) and not source else []
    return sorted(sizes, key=lambda size: size.name), indexes, remarks


def _tables(connection: Connection, asked: Callable[[str], Rows | None]) -> Rows:
    found = asked(TABLES[connection.dialect.name])
    if found is not None:
        return found
    # An SQLite without dbstat.
    return connection.execute(text("SELECT name, -1, NULL, NULL FROM sqlite_master WHERE type = 'table'")).all()


def _size(connection: Connection, row: Row[Any]) -> Size:
    name, estimate, size, index_bytes = tuple(row)
    is_estimate = estimate is not None and estimate >= EXACT_ROWS
    counting = select(func.count()).select_from(metadata.tables[name])
    rows = estimate if is_estimate else connection.scalar(counting)
    return Size("sql", name, int(rows or 0), _number(size), _number(index_bytes), is_estimate)


def _number(value: Any) -> int | None:
    """Return a whole number: an engine's sums are decimals."""
    return None if value is None else int(value)


def _declared(connection: Connection) -> list[tuple[str, str, bool, bool]]:
    """Return the table, the name, and whether it is unique and missing, of each index that the code declares."""
    looking = inspect(connection)
    there = set(looking.get_table_names())
    return [
        (table.name, name, is_unique, name not in names)
        for table in metadata.sorted_tables
        for names in [_names_in(looking, table.name) if table.name in there else frozenset()]
        for name, is_unique in _indexes_of(table)
    ]


def _names_in(looking: Inspector, table: str) -> frozenset[str | None]:
    every = (*looking.get_indexes(table), *looking.get_unique_constraints(table))
    return frozenset(each["name"] for each in every)


def _indexes_of(table: Table) -> list[tuple[str, bool]]:
    """Return the name of each declared index and unique constraint, and whether it is unique."""
    found = [(str(each.name), bool(each.unique)) for each in table.indexes]
    found += [(str(each.name), True) for each in table.constraints if isinstance(each, UniqueConstraint)]
    return sorted(found)


def _source_of_uses(dialect: str, asked: Callable[[str], Rows | None]) -> str | None:
    if dialect != "mysql":
        return dialect if dialect in USES else None
    for variable in COUNTERS:
        if (found := asked(f"SELECT @@{variable}")) and found[0][0]:
            return variable
    return None


def _by_name(rows: Rows | None) -> Mapping[tuple[str, str], int]:
    every = [tuple(row) for row in rows or ()]
    return {(table, name): int(value) for table, name, value in every if value is not None}
