"""Databases with another one beside them, and the users that `trivet db grants` makes there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from ops.grants.grants import Choices, Grants
from ops.grants.sql import ROLES, sql_grants
from runtime.ids import new_id
from services.identity.store.engine import store_url
from services.identity.store.faults.errors import code_of
from services.identity.store.schema.migrate import upgrade
from tests.conftest import Engines
from tests.harness.stores.mysql_like import sql_engines
from tests.harness.stores.with_users import secantusdb_with_users

SECRETS = "secrets"
"""The table of the database beside ours."""


@dataclass
class Database:
    """A database of a test's own, and one beside it that its users must not read."""

    engine: str
    admin: str
    beside: str
    prefix: str

    def found(self, **choices: Any) -> Grants:
        """Return what `trivet db grants` would do as the administrator."""
        return sql_grants(store_url.parse(self.admin), Choices(self.prefix, **choices))

    def grants(self, **choices: Any) -> dict[str, str]:
        """Make the users; return the addresses by role."""
        found = self.found(**choices)
        found.apply()
        return {role: address.partition("=")[2] for role, address in found.addresses.items()}


def execute(url: str, *statements: str) -> None:
    """Run statements as the user of an address, each in a transaction of its own."""
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    finally:
        engine.dispose()


def refusal(url: str, statement: str) -> str | int | None:
    """Return the code with which the server refuses a statement, None if it does not."""
    try:
        execute(url, statement)
    except DBAPIError as error:
        return code_of(error) or str(error)
    return None


@contextmanager
def _database(name: str, engine: Engines) -> Iterator[Database]:
    """An empty database. For GRANT of MariaDB and MySQL, its name as a pattern would mean the one beside it as well."""
    number = new_id().lower().replace("-", "")[-12:]
    server = engine.get(name).url
    names = (f"grants_{number}", f"grantsx{number}")
    execute(server, *(f"CREATE DATABASE {each}" for each in names))
    admin, beside = (make_url(server).set(database=each).render_as_string(hide_password=False) for each in names)
    execute(beside, f"CREATE TABLE {SECRETS} (id int)")
    yield (made := Database(name, admin, beside, f"t{number[-8:]}"))
    execute(server, *(f"DROP DATABASE {each}" for each in names))
    for role in ROLES:
        if name == "postgresql":
            execute(server, f"DROP ROLE IF EXISTS {made.prefix}_{role}")
        else:
            execute(server, f"DROP USER IF EXISTS '{made.prefix}_{role}'@'%'")


@pytest.fixture(scope="package", params=[name for name in sql_engines() if name not in ("sqlite", "tidb")])
def sql_engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(sql_engine: str, engine: Engines) -> Iterator[Database]:
    """An empty database of a test's own."""
    with _database(sql_engine, engine) as made:
        yield made


@pytest.fixture(scope="package")
def shared(sql_engine: str, engine: Engines) -> Iterator[tuple[Database, dict[str, str]]]:
    """A database that its migrator has migrated, and the addresses of its users. Tests leave it as it is."""
    with _database(sql_engine, engine) as made:
        yield made, migrated(made)


def migrated(database: Database) -> dict[str, str]:
    """Make the users and migrate as one of them; return their addresses."""
    users = database.grants()
    upgrade(users["migrator"])
    database.grants()
    return users


@pytest.fixture(scope="package")
def mongodb_with_users() -> Iterator[str]:
    """The address of an administrator of a MongoDB."""
    if url := os.environ.get("TRIVET_TEST_MONGODB_ADMIN_URL"):
        yield url
        return
    with secantusdb_with_users() as engine:
        yield engine.url
