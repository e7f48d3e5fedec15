"""Whether text columns compare byte by byte, as the tables in code declare them."""

from collections.abc import Iterator

from sqlalchemy import Connection, String, text
from sqlalchemy.engine.interfaces import Dialect

from ops.doctor.finding import Finding, error
from services.identity.schema import metadata

CHECK = "collations"
SHOWN = 3
COLUMNS = {
    "mysql": "SELECT table_name, column_name, collation_name, character_set_name FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL",
    "postgresql": "SELECT table_name, column_name, collation_name, 'UTF8' FROM information_schema.columns "
    "WHERE table_schema = current_schema()",
}


def examine(connection: Connection) -> list[Finding]:
    """Check the collation of every text column, and on PostgreSQL the encoding of the database."""
    dialect = connection.dialect
    if dialect.name not in COLUMNS:
        return []
    found = list(_encoding(connection))
    actual = {(row[0], row[1]): (row[2], row[3]) for row in connection.execute(text(COLUMNS[dialect.name]))}
    wrong = [
        f"{table}.{column} is {actual[table, column][0] or 'the default'}, not {wanted}"
        for table, column, wanted in _declared(dialect)
        if (table, column) in actual and actual[table, column][0] != wanted
    ]
    if wrong:
        more = f", and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        problem = (
            f"collations differ, so equal texts can differ and different ones be equal: {'; '.join(wrong[:SHOWN])}"
        )
        how = (
            "ALTER TABLE ... MODIFY" if dialect.name == "mysql" else "ALTER TABLE ... ALTER COLUMN ... TYPE ... COLLATE"
        )
        found.append(error(CHECK, problem + more, f"change the columns ({how}) while identity is stopped"))
    return found


def _declared(dialect: Dialect) -> Iterator[tuple[str, str, str]]:
    for table in metadata.sorted_tables:
        for column in table.columns:
            kind = column.type.dialect_impl(dialect)
            declared = getattr(kind, "impl_instance", kind)
            if isinstance(declared, String) and declared.collation:
                yield table.name, column.name, declared.collation


def _encoding(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.scalar(text("SELECT getdatabaseencoding()"))
    if encoding != "UTF8":
        problem = f"the database's encoding is {encoding}: it cannot store every name"
        yield error(CHECK, problem, "dump it, and restore it into a database that is created with ENCODING 'UTF8'")
