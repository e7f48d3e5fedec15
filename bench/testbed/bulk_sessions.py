"""Adds many sessions by SQL: copies of a session that the product opened, each with a token of its own."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from gateway.sessions.cookies import CookieSigner
from runtime.ids import token_hash
from services.identity.store.engine import store_url
from tests.harness.processes import SECRET

BATCH = 100_000
STATEMENT_SECONDS = 120
SESSIONS_PER_USER = 10
ROOM = {"innodb_buffer_pool_size": 1 << 30, "innodb_log_file_size": 1 << 28}
NUMBERS = (
    "WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + :step FROM numbers WHERE n + :step <= :last)"
)
USERS = f"""
INSERT INTO users (id, email, name, image, email_verified, role, banned, created_at, updated_at)
{NUMBERS}
SELECT LPAD(n, 32, 'user'), LPAD(n, 32, 'at@'), name, image, email_verified, role, banned, created_at, updated_at
FROM numbers, users WHERE users.id = (SELECT user_id FROM sessions WHERE id = :template)
"""  # noqa: S608  # made of constants, not of input
SESSIONS = f"""
INSERT INTO sessions (id, user_id, token_hash, expires_at, remembered, ip_address, user_agent, created_at, updated_at)
{NUMBERS}
SELECT LPAD(n, 32, 'session'), {{owner}}, SHA2(LPAD(n, 32, 'token'), 256),
       expires_at, remembered, ip_address, user_agent, created_at, updated_at
FROM numbers, sessions WHERE sessions.id = :template
"""  # noqa: S608  # made of constants, not of input
OWN_USER = f"LPAD(n - n % {SESSIONS_PER_USER}, 32, 'user')"


@dataclass(frozen=True)
class BulkSession:
    """A copied session. Its id and its token are made from its number."""

    number: int

    @property
    def session_id(self) -> str:
        return _padded(self.number, "session")

    @property
    def cookie(self) -> str:
        return f"better-auth.session_token={CookieSigner(SECRET).sign(_padded(self.number, 'token'))}"


class BulkSessions:
    """Adds sessions to a database. `template` is the id of the session to copy."""

    def __init__(self, sql: str, template: str) -> None:
        url, arguments = store_url.parse(sql).for_operator()
        if url.get_backend_name() == "mysql":
            arguments["read_timeout"] = STATEMENT_SECONDS
        self._engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
        self._template = template
        self._next = SESSIONS_PER_USER

    def add(self, count: int, *, of_one_user: bool = False) -> list[BulkSession]:
        """Add sessions, ten per user; with `of_one_user`, all of the template's user."""
        first, self._next = self._next, self._next + count + SESSIONS_PER_USER
        self._next -= self._next % SESSIONS_PER_USER
        for start in range(first, first + count, BATCH):
            last = min(start + BATCH, first + count) - 1
            if not of_one_user:
                self._run(USERS, start, last, SESSIONS_PER_USER)
            self._run(SESSIONS.format(owner="user_id" if of_one_user else OWN_USER), start, last, 1)
        return [BulkSession(number) for number in range(first, first + count)]

    def remove(self) -> None:
        """Delete all added sessions and their users."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM users WHERE email LIKE 'at@%'"))
            connection.execute(text("DELETE FROM sessions WHERE id LIKE 'session%'"))

    def make_room(self) -> None:
        """Set MariaDB's memory and log to sizes for a million sessions."""
        if self._engine.dialect.name == "mysql":
            for setting, size in ROOM.items():
                # MySQL has another variable for its log; it keeps its default here.
                with suppress(DBAPIError), self._engine.begin() as connection:
                    connection.execute(text(f"SET GLOBAL {setting} = {size}"))

    def analyze(self) -> None:
        """Update the statistics of the tables now, instead of when the engine does it."""
        with self._engine.begin() as connection:
            for table in ("users", "sessions"):
                is_mysql = self._engine.dialect.name == "mysql"
                connection.execute(text(f"ANALYZE {'TABLE ' if is_mysql else ''}{table}"))

    def count(self) -> int:
        """Return the number of all sessions."""
        with self._engine.begin() as connection:
            return int(connection.execute(text("SELECT COUNT(*) FROM sessions")).scalar_one())

    def _run(self, statement: str, first: int, last: int, step: int) -> None:
        with self._engine.begin() as connection:
            _prepare_dialect(self._engine, connection)
            values = {"first": first, "last": last, "step": step, "template": self._template}
            connection.execute(text(statement), values)


def _prepare_dialect(engine: Engine, connection: Any) -> None:
    """Allow MariaDB recursion over 1,000 rows, and add MariaDB's functions to SQLite."""
    if engine.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        driver.create_function("LPAD", 3, lambda value, size, pad: _padded(value, pad, size), deterministic=True)
        driver.create_function("SHA2", 2, _sha2, deterministic=True)
    else:
        connection.execute(text(f"SET SESSION max_recursive_iterations = {2 * BATCH}"))


def _sha2(value: str, _bits: int) -> str:
    return token_hash(value)


def _padded(number: int, pad: str, size: int = 32) -> str:
    """Return the same as SQL's LPAD."""
    digits = str(number)
    return (pad * size)[: size - len(digits)] + digits
