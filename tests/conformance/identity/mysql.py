"""Statements as MySQL would be told them: most of us run MariaDB, which takes more than MySQL does."""

import re
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects.mysql.asyncmy import MySQLDialect_asyncmy
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import ClauseElement

# What MariaDB understands and MySQL 8 or 9 does not, each with the words that give it away.
FOREIGN = {
    "RETURNING": r"\bRETURNING\b",
    "a sequence": r"\b(CREATE SEQUENCE|NEXTVAL|NEXT VALUE FOR|LASTVAL|SETVAL)\b",
    "a type of MariaDB's": r"\s(UUID|INET4|INET6)\b(?!\s*\()",
    "a column that may be there": r"\b(ADD|DROP|MODIFY|CHANGE)\s+(COLUMN|INDEX|KEY)?\s*IF\s+(NOT\s+)?EXISTS\b",
    "an index that may be there": r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+IF\s+NOT\s+EXISTS\b",
    "CREATE OR REPLACE TABLE": r"\bCREATE\s+OR\s+REPLACE\s+(TABLE|INDEX)\b",
    "a default for a text": r"\b(TEXT|BLOB|JSON)\b[^,]*\bDEFAULT\s+'",
    "system versioning": r"\b(SYSTEM VERSIONING|FOR SYSTEM_TIME)\b",
    "FETCH FIRST": r"\bFETCH (FIRST|NEXT)\b",
    "LIMIT in a subquery": r"\bIN\s*\(\s*SELECT\b[^()]*\bLIMIT\b",
    "a collation that MySQL has not": r"\buca1400\w*",
    "SET STATEMENT": r"\bSET STATEMENT\b",
}


class NotForMysqlError(AssertionError):
    """A statement that MySQL would refuse."""


def dialect() -> Dialect:
    """Return what SQLAlchemy knows of MySQL 8.0 before it has met a server."""
    made = MySQLDialect_asyncmy()
    made.server_version_info = (8, 0, 36)
    return made


DIALECT = dialect()


def check(sql: str) -> None:
    """Raise NotForMysqlError if the text is not for MySQL."""
    for what, words in FOREIGN.items():
        if re.search(words, sql, re.IGNORECASE):
            raise NotForMysqlError(f"{what}: {sql}")


def check_element(element: Any) -> None:
    """Raise NotForMysqlError if the statement cannot be said to MySQL."""
    if not isinstance(element, ClauseElement):
        return
    try:
        compiled = element.compile(dialect=DIALECT)
    except CompileError as error:
        raise NotForMysqlError(f"{error}: {element}") from error
    check(str(compiled))


def watch(engine: Engine) -> None:
    """Have every statement checked that is executed on an engine of any kind, each form of it once."""
    seen: set[Any] = set()

    def before(_connection: object, element: Any, *_: object) -> None:
        key = element._generate_cache_key() if isinstance(element, ClauseElement) else None
        shape = key.key if key is not None else str(element)
        if shape not in seen:
            seen.add(shape)
            check_element(element)

    event.listen(engine, "before_execute", before)
