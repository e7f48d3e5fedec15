"""Imports and exports on each engine: Better Auth's database and ours on one server, and the command line between.

With PgBouncer, both are reached through it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from ops.cli import app
from ops.errors import CommandFailed
from ops.identity.sealing import SealingSettings, sealer
from runtime.ids import new_id
from runtime.sealing import Sealer
from services.identity.schema import metadata
from services.identity.store.engine import store_url
from services.identity.store.schema import migrate
from tests.conformance.importing.original import Original, connected, database_beside
from tests.conftest import Engines
from tests.harness.processes import SECRET
from tests.harness.stores.mysql_like import sql_engines

FIELDS = '{"plan":{"type":"string"},"vip":{"type":"boolean"}}'


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("importing")


@pytest.fixture(scope="session", params=(*sql_engines(), "pgbouncer"))
def server(request: pytest.FixtureRequest, engine: Engines, folder: Path) -> str:
    return f"sqlite:///{folder}/none.db" if request.param == "sqlite" else engine.get(request.param).url


@pytest.fixture(scope="session")
def migrated(server: str, folder: Path) -> Iterator[str]:
    """The address of a database of ours."""
    with database_beside(server, folder, f"ours_{new_id().lower()}") as url:
        migrate.upgrade(url)
        yield url


@pytest.fixture
def ours(migrated: str) -> str:
    """The same, emptied."""
    with connected(migrated) as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        connection.commit()
    return migrated


@pytest.fixture
def original(server: str, folder: Path) -> Iterator[Original]:
    """An empty database of Better Auth's."""
    with database_beside(server, folder, f"original_{new_id().lower()}") as url, connected(url) as connection:
        made = Original(url, store_url.parse(url).kind, connection)
        made.create()
        yield made


@dataclass(frozen=True)
class Trivet:
    """The command line, in this process, on a database of ours."""

    database: str
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """Return what a subcommand prints. Raises CommandFailed as it does."""
        done = CliRunner().invoke(app, arguments, env=dict(self.environment))
        if isinstance(done.exception, CommandFailed):
            raise done.exception
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout

    def report(self, *arguments: str) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        """Return what a subcommand reports: counts, and how many rows for each reason."""
        report = json.loads(self.run(*arguments, "--json"))
        return report["counts"], {each["reason"]: each["rows"] for each in report["reasons"]}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of one of our tables by id."""
        with self.connection() as connection:
            found = connection.execute(select(metadata.tables[table]).order_by("id")).mappings().all()
            return [dict(row) for row in found]

    def execute(self, statement: Any) -> None:
        with self.connection() as connection:
            connection.execute(statement)
            connection.commit()

    def connection(self) -> Any:
        return connected(self.database)

    @property
    def sealer(self) -> Sealer:
        return sealer(SealingSettings(secret=SECRET))


@pytest.fixture
def trivet(ours: str, tmp_path: Path) -> Trivet:
    environment = {
        "DATABASE_URL": ours,
        "TRIVET_SECRET": SECRET,
        "TRIVET_DATA": str(tmp_path),
        "TRIVET_USER_FIELDS": FIELDS,
    }
    return Trivet(ours, environment)


@pytest.fixture
def people(original: Original, trivet: Trivet) -> tuple[str, str]:
    """Two people who came from the original, one of them banned."""
    ada = original.user("ada@x.io", name="Zoë 🦊", image="https://x.io/a.png", emailVerified=True, plan="pro")
    original.account(ada)
    github = {"providerId": "github", "accountId": "4242", "accessToken": "gho_secret", "scope": "a,b"}
    original.account(ada, None, **github)
    original.session(ada, "token")
    mallory = original.user("mallory@x.io", banned=True, banReason="spam", banExpires=datetime(2037, 1, 1, tzinfo=UTC))
    original.account(mallory)
    trivet.run("import", "better-auth", "--from", original.url)
    return ada, mallory


@pytest.fixture
def empty(server: str, folder: Path) -> Iterator[Original]:
    """A database without a table."""
    with database_beside(server, folder, f"empty_{new_id().lower()}") as url, connected(url) as connection:
        yield Original(url, store_url.parse(url).kind, connection)
