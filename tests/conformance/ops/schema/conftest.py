"""A database of the test's own on each engine, and migrations and tables in code that a test can change."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from ops.schema import difference, expand_contract, push, reset
from services.identity import schema
from services.identity.store.engine import store_url
from services.identity.store.schema import migrate, schema_check, steps
from tests.conftest import Engines
from tests.harness.stores.mysql_like import sql_engines

RELEASE = "0.2.0"
"""The release that a test's migrations belong to; those of the repository are older."""


@pytest.fixture(params=sql_engines())
def empty_url(request: pytest.FixtureRequest, engine: Engines, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, which is dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/trivet.db"
        return
    with empty_database(engine.get(request.param).url) as url:
        yield url


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """An empty database on a server, by its address."""
    name = f"schema_{secrets.token_hex(4)}"
    operate(server, f"CREATE DATABASE {name}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if server.startswith("postgresql") else ""
        operate(server, f"DROP DATABASE {name}{force}")


@pytest.fixture
def url(empty_url: str) -> str:
    """The address of a database at the newest migration of the repository."""
    migrate.upgrade(empty_url)
    return empty_url


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MetaData:
    """The tables in code and the folder of migrations, as copies that the commands take for the real ones."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema_check.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(steps, "MIGRATIONS", folder)
    copy = MetaData(naming_convention=schema.metadata.naming_convention)
    for table in schema.metadata.sorted_tables:
        table.to_metadata(copy)
    for module in (schema, difference, push, reset, expand_contract):
        monkeypatch.setattr(module, "metadata", copy)
    return copy


def operate(url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def difference_of(url: str) -> list[str]:
    """Return how a database differs from the tables in code."""
    with migrate.opened(url) as engine, engine.connect() as connection:
        return difference.difference(connection)
