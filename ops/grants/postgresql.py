"""Statements for PostgreSQL. They run in one transaction, so a service never misses a right meanwhile."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import Connection, text

from ops.backup.sql.database import SqlDatabase
from ops.grants.grants import Choices, Tables, User
from ops.grants.verifiers import scram_sha_256
from services.identity.store.engine.store_url import StoreUrl

EXISTING = "SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)"
ATTRIBUTES = (
    "SELECT rolname FROM pg_roles WHERE rolname = ANY(:names) "
    "AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"
)
OWNED_BY_OTHERS = (
    "SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
    "WHERE c.relnamespace = CAST(:schema AS text)::regnamespace AND c.relkind IN ('r', 'p') "
    "AND c.relname = ANY(:names) AND r.rolname <> :owner ORDER BY c.relname"
)
SEQUENCES = (
    "SELECT s.relname FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
    "JOIN pg_class t ON t.oid = d.refobjid WHERE d.deptype IN ('a', 'i') "
    "AND t.relnamespace = CAST(:schema AS text)::regnamespace AND t.relname = ANY(:names) ORDER BY s.relname"
)
LOCK_SECONDS = 5


def existing(connection: Connection, names: Sequence[str], _: Choices) -> set[str]:
    """Return which of the users are there."""
    return set(connection.scalars(text(EXISTING), {"names": list(names)}))


def statements(
    connection: Connection,
    store: StoreUrl,
    _found: SqlDatabase,
    tables: Tables,
    users: Mapping[str, User],
    _choices: Choices,
) -> tuple[list[str], tuple[str, ...]]:
    """Return the statements for the schema in use, and notes."""
    schema = str(connection.scalar(text("SELECT current_schema()")))
    names = [user.name for user in users.values()]
    strong = connection.scalars(text(ATTRIBUTES), {"names": names}).all()
    notes = tuple(
        f"{name} has attributes such as SUPERUSER or CREATEDB: take them away with ALTER ROLE" for name in strong
    )
    is_superuser = bool(connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")))
    asked = {"schema": quoted(schema), "names": list(tables.every), "owner": users["migrator"].name}
    foreign = list(connection.scalars(text(OWNED_BY_OTHERS), asked))
    sequences = list(connection.scalars(text(SEQUENCES), asked))
    made = [
        f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'",
        *filter(None, map(_login, users.values())),
        *_of_database(store, schema, users, is_superuser=is_superuser),
        *_of_tables(schema, tables, sequences, foreign, users),
    ]
    return made, notes


def _login(user: User) -> str:
    """Return the statement that makes a user or sets its password; a role has no other attribute by default."""
    password = f" PASSWORD '{scram_sha_256(user.password)}'" if user.password else ""
    if user.is_there:
        return f"ALTER ROLE {quoted(user.name)} LOGIN{password}"
    return f"CREATE ROLE {quoted(user.name)} LOGIN{password}"


def _of_database(store: StoreUrl, schema: str, users: Mapping[str, User], *, is_superuser: bool) -> Iterator[str]:
    database, inside = quoted(store.url.database or ""), quoted(schema)
    identity, migrator, backup = (quoted(users[role].name) for role in ("identity", "migrator", "backup"))
    if not is_superuser:
        yield f"GRANT {migrator} TO CURRENT_USER"  # only a member gives tables to a role
    # Every role can do these by default: make temporary tables, and before PostgreSQL 15 tables in `public`.
    yield f"REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC"
    yield f"REVOKE CREATE ON SCHEMA {inside} FROM PUBLIC"
    yield f"GRANT CONNECT ON DATABASE {database} TO {identity}, {migrator}, {backup}"
    yield f"REVOKE ALL ON SCHEMA {inside} FROM {identity}, {migrator}, {backup}"
    yield f"GRANT USAGE ON SCHEMA {inside} TO {identity}, {backup}"
    yield f"GRANT USAGE, CREATE ON SCHEMA {inside} TO {migrator}"
    # A backup holds every table, also one that a migration has made since.
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {migrator} IN SCHEMA {inside} GRANT SELECT ON"
    yield f"{default} TABLES TO {backup}"
    yield f"{default} SEQUENCES TO {backup}"


def _of_tables(
    schema: str, tables: Tables, sequences: Sequence[str], foreign: Sequence[str], users: Mapping[str, User]
) -> Iterator[str]:
    inside = quoted(schema)
    identity, migrator, backup = (quoted(users[role].name) for role in ("identity", "migrator", "backup"))

    def named(names: Sequence[str]) -> str:
        return ", ".join(f"{inside}.{quoted(name)}" for name in names)

    for name in foreign:
        yield f"ALTER TABLE {named([name])} OWNER TO {migrator}"
    for kind in ("TABLES", "SEQUENCES"):
        yield f"REVOKE ALL ON ALL {kind} IN SCHEMA {inside} FROM {identity}, {backup}"
    if tables.written:
        yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON {named(tables.written)} TO {identity}"
    if tables.read:
        yield f"GRANT SELECT ON {named(tables.read)} TO {identity}"
    if tables.every:
        yield f"GRANT SELECT ON {named(tables.every)} TO {backup}"
    if sequences:
        yield f"GRANT USAGE ON SEQUENCE {named(sequences)} TO {identity}"
        yield f"GRANT SELECT ON SEQUENCE {named(sequences)} TO {backup}"


def quoted(name: str) -> str:
    """Return an identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'
