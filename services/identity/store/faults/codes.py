"""The meaning of each server's error codes, each with its source.

Sources: MySQL's "Server Error Message Reference" (MariaDB and TiDB keep its numbers), MariaDB's "Error Codes",
TiDB's "Error Codes and Troubleshooting", PostgreSQL's appendix A, SQLite's "Result and Extended Result Codes".
"""

import re
from enum import Enum
from typing import NamedTuple


class Fault(Enum):
    """The kinds of database errors, by what the service does about them."""

    DUPLICATE = "a unique constraint rejected the row"
    ORPHAN = "a foreign key rejected the row: the row that it refers to does not exist"
    RACE = "the database rolled this transaction back because of a conflict with another one: retry"
    READ_ONLY = "this server is read-only: reconnect to the primary"
    BUSY = "the database is overloaded"
    GONE = "the database is unreachable or does not answer"
    SCHEMA = "the statement does not fit the tables: the schema has another version, or the statement is wrong"
    BUG = "the statement is wrong"


# After one of these faults at COMMIT, nothing is committed. After any other fault the outcome is unknown.
NOT_COMMITTED = frozenset({Fault.DUPLICATE, Fault.ORPHAN, Fault.RACE, Fault.READ_ONLY})


class Code(NamedTuple):
    """An error code: a number, an SQLSTATE or SQLite's name. `source` names the server and its name of the error.

    If one code stands for many errors, `words` is the part of the message that identifies this one.
    """

    code: int | str
    fault: Fault
    source: str
    words: str = ""


CODES = (
    Code(1062, Fault.DUPLICATE, "MySQL ER_DUP_ENTRY"),
    Code("23505", Fault.DUPLICATE, "PostgreSQL unique_violation"),
    Code("SQLITE_CONSTRAINT_UNIQUE", Fault.DUPLICATE, "SQLite"),
    Code("SQLITE_CONSTRAINT_PRIMARYKEY", Fault.DUPLICATE, "SQLite"),
    Code(1452, Fault.ORPHAN, "MySQL ER_NO_REFERENCED_ROW_2"),
    Code("23503", Fault.ORPHAN, "PostgreSQL foreign_key_violation"),
    Code("SQLITE_CONSTRAINT_FOREIGNKEY", Fault.ORPHAN, "SQLite"),
    Code(1213, Fault.RACE, "MySQL ER_LOCK_DEADLOCK; Galera: a write set failed certification"),
    Code(1205, Fault.RACE, "MySQL ER_LOCK_WAIT_TIMEOUT"),
    Code(1020, Fault.RACE, "MariaDB ER_CHECKREAD: the row changed under snapshot isolation"),
    Code(1047, Fault.RACE, "Galera ER_UNKNOWN_COM_ERROR: the node is not synced, or not in the primary component"),
    Code(1180, Fault.RACE, "Galera ER_ERROR_DURING_COMMIT: the node lost its group, and undid the transaction"),
    Code(3101, Fault.RACE, "MySQL ER_TRANSACTION_ROLLBACK_DURING_COMMIT: Group Replication's certification"),
    Code(8002, Fault.RACE, "TiDB ErrForUpdateCantRetry"),
    Code(8022, Fault.RACE, "TiDB ErrTxnRetryable: the commit failed and was undone"),
    Code(8028, Fault.RACE, "TiDB ErrInfoSchemaChanged: a migration ran during the transaction"),
    Code(9007, Fault.RACE, "TiDB ErrWriteConflict"),
    Code(
        1105,
        Fault.RACE,
        "TiDB ErrUnknown: too many others changed the row that the statement waited for",
        words="pessimistic lock retry limit reached",
    ),
    Code("40001", Fault.RACE, "PostgreSQL serialization_failure"),
    Code("40P01", Fault.RACE, "PostgreSQL deadlock_detected"),
    Code("55P03", Fault.RACE, "PostgreSQL lock_not_available"),
    Code("SQLITE_BUSY_SNAPSHOT", Fault.RACE, "SQLite"),
    Code(1290, Fault.READ_ONLY, "MySQL ER_OPTION_PREVENTS_STATEMENT: --read-only or --super-read-only"),
    Code(1792, Fault.READ_ONLY, "MySQL ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION"),
    Code(1836, Fault.READ_ONLY, "MySQL ER_READ_ONLY_MODE"),
    Code(3100, Fault.READ_ONLY, "MySQL ER_RUN_HOOK_ERROR: Group Replication refused it before the commit"),
    Code("25006", Fault.READ_ONLY, "PostgreSQL read_only_sql_transaction: a standby"),
    Code(1040, Fault.BUSY, "MySQL ER_CON_COUNT_ERROR"),
    Code(1203, Fault.BUSY, "MySQL ER_TOO_MANY_USER_CONNECTIONS"),
    Code(1969, Fault.BUSY, "MariaDB ER_STATEMENT_TIMEOUT: max_statement_time"),
    Code(3024, Fault.BUSY, "MySQL ER_QUERY_TIMEOUT: max_execution_time"),
    Code(8175, Fault.BUSY, "TiDB ErrMemoryExceedForQuery"),
    Code(9001, Fault.BUSY, "TiDB ErrPDServerTimeout"),
    Code(9002, Fault.BUSY, "TiDB ErrTiKVServerTimeout"),
    Code(9003, Fault.BUSY, "TiDB ErrTiKVServerBusy"),
    Code(9004, Fault.BUSY, "TiDB ErrResolveLockTimeout"),
    Code(9005, Fault.BUSY, "TiDB ErrRegionUnavailable"),
    Code("57014", Fault.BUSY, "PostgreSQL query_canceled: statement_timeout"),
    Code("53300", Fault.BUSY, "PostgreSQL too_many_connections"),
    Code("SQLITE_BUSY", Fault.BUSY, "SQLite"),
    Code("SQLITE_LOCKED", Fault.BUSY, "SQLite"),
    Code("SQLITE_INTERRUPT", Fault.BUSY, "SQLite: our own time-out, see engine.py"),
    Code(1048, Fault.SCHEMA, "MySQL ER_BAD_NULL_ERROR"),
    Code(1054, Fault.SCHEMA, "MySQL ER_BAD_FIELD_ERROR"),
    Code(1146, Fault.SCHEMA, "MySQL ER_NO_SUCH_TABLE"),
    Code(1364, Fault.SCHEMA, "MySQL ER_NO_DEFAULT_FOR_FIELD: a newer schema has a column that requires a value"),
    Code(1406, Fault.SCHEMA, "MySQL ER_DATA_TOO_LONG: the column of an older schema was shorter"),
    Code("22001", Fault.SCHEMA, "PostgreSQL string_data_right_truncation: as MySQL's 1406"),
    Code("23502", Fault.SCHEMA, "PostgreSQL not_null_violation: as MySQL's 1048 and 1364"),
    Code("42703", Fault.SCHEMA, "PostgreSQL undefined_column"),
    Code("42P01", Fault.SCHEMA, "PostgreSQL undefined_table"),
    Code("SQLITE_CONSTRAINT_NOTNULL", Fault.SCHEMA, "SQLite"),
    Code(1064, Fault.BUG, "MySQL ER_PARSE_ERROR"),
    Code("SQLITE_ERROR", Fault.BUG, "SQLite"),
)
SQLITE_SCHEMA_WORDS = re.compile(r"no such (table|column)|has no column named")
"""SQLite has one code for all wrong statements. These messages mean that a statement does not fit the tables."""
FAULTS = {each.code: each.fault for each in CODES if not each.words}
BY_WORDS = tuple(each for each in CODES if each.words)
# PostgreSQL's error classes that no retry helps: bad data, constraints, syntax and privileges.
POSTGRESQL_BUGS = ("22", "23", "42")
