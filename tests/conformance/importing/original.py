"""Better Auth databases made by tests: its tables on each engine, with the types that its own migrator emits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from runtime.ids import new_id
from services.identity.store.engine import store_url

TYPES = {
    "sqlite": {"id": "text", "short": "text", "bool": "integer", "time": "date"},
    "mysql": {"id": "varchar(36)", "short": "varchar(255)", "bool": "boolean", "time": "timestamp(3)"},
    "postgresql": {"id": "text", "short": "text", "bool": "boolean", "time": "timestamptz"},
}
TABLES = {
    "user": "id {id} not null primary key, name {short} not null, email {short} not null unique,"
    " emailVerified {bool} not null, image text, createdAt {time} not null, updatedAt {time} not null, role text,"
    " banned {bool}, banReason text, banExpires {time} null, plan text, vip {bool}",
    "session": "id {id} not null primary key, expiresAt {time} not null, token {short} not null unique,"
    " createdAt {time} not null, updatedAt {time} not null, ipAddress text, userAgent text,"
    " userId {id} not null, impersonatedBy text",
    "account": "id {id} not null primary key, accountId text not null, providerId text not null,"
    " userId {id} not null, accessToken text, refreshToken text, idToken text, accessTokenExpiresAt {time} null,"
    " refreshTokenExpiresAt {time} null, scope text, password text, createdAt {time} not null,"
    " updatedAt {time} not null",
}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
SCRYPT = f"{'0' * 32}:{'1' * 128}"


@dataclass
class Original:
    """A source, and how its engine writes names and times. `rename` changes the names of columns."""

    url: str
    kind: str
    connection: Connection
    snake: bool = False
    commits: bool = True

    def column(self, name: str) -> str:
        spelled = "".join(f"_{c.lower()}" if c.isupper() else c for c in name) if self.snake else name
        quote = "`" if self.kind == "mysql" else '"'
        return f"{quote}{spelled}{quote}"

    @property
    def is_tidb(self) -> bool:
        return self.kind == "mysql" and "TiDB" in self.connection.execute(text("SELECT VERSION()")).scalar_one()

    def refusal_of(self, name: str) -> str:
        """Return the reason that an export gives for a user whose change does not fit a column."""
        if self.is_tidb:  # its error for an UPDATE names no column
            return "the columns there do not take the values"
        return f"the column {name} there does not take the value"

    def table(self, name: str) -> str:
        return self.column(f"{name}s" if self.snake else name)

    def create(self, tables: Mapping[str, str] = TABLES) -> None:
        for name, columns in tables.items():
            parts = [part.strip().partition(" ") for part in columns.format(**TYPES[self.kind]).split(",")]
            body = ", ".join(f"{self.column(each)} {kind}" for each, _, kind in parts)
            self.connection.execute(text(f"CREATE TABLE {self.table(name)} ({body})"))
        self.connection.commit()

    def add(self, into_table: str, /, **values: Any) -> str:
        """Insert a row, and return its id."""
        values = {"id": new_id(), "createdAt": NOW, "updatedAt": NOW} | values
        into = ", ".join(map(self.column, values))
        bound = {f"v{number}": self.bound(value) for number, value in enumerate(values.values())}
        insert = f"INSERT INTO {self.table(into_table)} ({into}) VALUES ({', '.join(f':{key}' for key in bound)})"
        self.connection.execute(text(insert), bound)
        if self.commits:
            self.connection.commit()
        return str(values["id"])

    def user(self, email: str, **values: Any) -> str:
        return self.add("user", **({"name": "Ada", "email": email, "emailVerified": False} | values))

    def account(self, user_id: str, password: str | None = SCRYPT, **values: Any) -> str:
        own = {"accountId": user_id, "providerId": "credential", "userId": user_id, "password": password}
        return self.add("account", **(own | values))

    def session(self, user_id: str, token: str, **values: Any) -> str:
        own = {"expiresAt": datetime(2037, 1, 1, tzinfo=UTC), "token": token, "userId": user_id, "updatedAt": NOW}
        return self.add("session", **({"ipAddress": "", "userAgent": "Original/1.0"} | own | values))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Insert many rows in one transaction."""
        self.commits = False
        yield
        self.connection.commit()
        self.commits = True

    def bound(self, value: Any) -> Any:
        if isinstance(value, datetime) and self.kind == "sqlite":
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if isinstance(value, datetime) and self.kind == "mysql":
            return value.replace(tzinfo=None)
        return value

    def rows(self, name: str) -> list[dict[str, Any]]:
        found = self.connection.execute(text(f"SELECT * FROM {self.table(name)}")).mappings().all()
        self.connection.rollback()
        return [dict(row) for row in found]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "mysql":
            connection.execute(text("SET time_zone = '+00:00'"))
        yield connection
    engine.dispose()


@contextmanager
def database_beside(url: str, folder: Path, name: str) -> Iterator[str]:
    """Make an empty database on the same server, or in a file; yield its address, and drop it afterwards."""
    store = store_url.parse(url)
    if store.kind == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    address, arguments = store.for_operator()
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        letters = " CHARACTER SET utf8mb4" if store.kind == "mysql" else ""
        connection.execute(text(f"CREATE DATABASE {name}{letters}"))
    try:
        yield _render(make_url(url).set(database=name))
    finally:
        with engine.connect() as connection:
            force = " WITH (FORCE)" if store.kind == "postgresql" else ""  # PgBouncer keeps connections to it
            connection.execute(text(f"DROP DATABASE {name}{force}"))
        engine.dispose()


def _render(url: URL) -> str:
    return url.render_as_string(hide_password=False)
