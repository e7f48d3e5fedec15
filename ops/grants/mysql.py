"""Statements for MariaDB and MySQL. Each can be repeated, because these servers commit each by itself."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, text

from ops.backup.sql.database import SqlDatabase
from ops.grants.grants import AS_IT_IS, Choices, Tables, User
from ops.grants.verifiers import native
from services.identity.store.engine.store_url import StoreUrl

EXISTING = text("SELECT user FROM mysql.user WHERE host = :host AND user IN :names").bindparams(
    bindparam("names", expanding=True)
)
MIGRATOR = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"
WRITER = "SELECT, INSERT, UPDATE, DELETE"


def existing(connection: Connection, names: Sequence[str], choices: Choices) -> set[str]:
    """Return which of the users are there."""
    return set(connection.scalars(EXISTING, {"host": choices.host, "names": list(names)}))


def statements(
    connection: Connection,
    store: StoreUrl,
    found: SqlDatabase,
    tables: Tables,
    users: Mapping[str, User],
    choices: Choices,
) -> tuple[list[str], tuple[str, ...]]:
    """Return the statements for the database of the address, and notes."""
    database = store.url.database or ""
    who = {role: f"{text_of(user.name)}@{text_of(choices.host)}" for role, user in users.items()}
    made = [
        line for role, user in users.items() for line in _login(user, who[role], is_mariadb=found.engine == "mariadb")
    ]
    made += [f"GRANT {WRITER} ON {quoted(database)}.{quoted(name)} TO {who['identity']}" for name in tables.written]
    made += [f"GRANT SELECT ON {quoted(database)}.{quoted(name)} TO {who['identity']}" for name in tables.read]
    # Here a name is a pattern, so that `trivet_a` would mean `trivetXa` too. SELECT on all tables: a backup holds every
    # table, and these servers hide those that a user cannot read.
    pattern = quoted(database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))
    made += [f"GRANT {MIGRATOR} ON {pattern}.* TO {who['migrator']}", f"GRANT SELECT ON {pattern}.* TO {who['backup']}"]
    notes = [
        line for role, user in users.items() if user.is_there for line in _more(connection, role, who[role], database)
    ]
    return made, tuple(notes)


def _login(user: User, who: str, *, is_mariadb: bool) -> Iterator[str]:
    """Yield the statement that makes a user or sets its password.

    MariaDB writes a password in clear into its binary log, and MySQL only its hash.
    """
    if user.password:
        by = (
            f"IDENTIFIED BY PASSWORD '{native(user.password)}'"
            if is_mariadb
            else f"IDENTIFIED BY {text_of(user.password)}"
        )
        yield f"{'ALTER USER' if user.is_there else 'CREATE USER'} {who} {by}"


def _more(connection: Connection, role: str, who: str, database: str) -> Iterator[str]:
    """Yield a note for each right of a user that is there beyond those it needs.

    They are not taken away, because a REVOKE of all rights would come before the GRANT, and processes run meanwhile.
    """
    for (line,) in connection.exec_driver_sql(f"SHOW GRANTS FOR {who}", execution_options=AS_IT_IS):
        right, _, rest = str(line).removeprefix("GRANT ").partition(" ON ")
        where = rest.partition(" TO ")[0]
        is_ours = where.replace("\\", "").startswith(f"{quoted(database)}.")
        if right != "USAGE" and not (is_ours and _fits(role, right, where)):
            yield f"{who} has more rights than it needs ({right} on {where}): take them away with REVOKE"


def _fits(role: str, right: str, where: str) -> bool:
    """Whether a right within the database is one that this command gives."""
    needed = {"identity": WRITER, "migrator": MIGRATOR, "backup": "SELECT"}[role]
    is_within = set(right.split(", ")) <= set(needed.split(", "))
    return is_within and not (role == "identity" and where.endswith(".*"))


def quoted(name: str) -> str:
    """Return an identifier in quotes."""
    return "`" + name.replace("`", "``") + "`"


def text_of(value: str) -> str:
    """Return a literal. Names and passwords hold no quote or backslash, and a host that does is refused before."""
    return f"'{value}'"
