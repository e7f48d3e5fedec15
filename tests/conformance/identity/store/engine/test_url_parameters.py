"""Parameters of database URLs as ORMs and providers write them: honored, said to change nothing, or named."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.engine.settings import StoreSettings
from services.identity.store.schema import migrate
from services.identity.store.schema.schema_check import SchemaCheck
from tests.conftest import Engines

PRISMA = "connection_limit=7&pool_timeout=10&connect_timeout=5&socket_timeout=5"
WRITTEN = {
    "mariadb": (
        f"{PRISMA}&charset=utf8mb4&sslmode=disable",
        "parseTime=true&loc=UTC&tls=false&collation=utf8mb4_bin",
        "useSSL=false&serverTimezone=UTC&allowPublicKeyRetrieval=true&characterEncoding=utf8&timezone=Z",
    ),
    "postgresql": (
        f"{PRISMA}&schema=public&sslmode=prefer&pgbouncer=true&statement_cache_size=0&application_name=app",
        "options=-c%20geqo%3Doff&target_session_attrs=read-write&channel_binding=prefer&gssencmode=disable",
        "currentSchema=public&client_encoding=utf8&keepalives=1&keepalives_idle=30",
    ),
    "sqlite": ("connection_limit=1&socket_timeout=5&timeout=5",),
}


def address(engine: Engines, kind: str, folder: Path) -> str:
    return f"sqlite:///{folder}/parameters.db" if kind == "sqlite" else engine.get(kind).url


@pytest.mark.parametrize(("kind", "query"), [(kind, query) for kind, queries in WRITTEN.items() for query in queries])
async def test_what_orms_write_is_taken_by_both_drivers(engine: Engines, folder: Path, kind: str, query: str) -> None:
    url = f"{address(engine, kind, folder)}?{query}"
    migrate.upgrade(url)
    async with Database.open(store_url.parse(url), check_schema=SchemaCheck()) as database:
        await database.ping()


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "sqlite"])
@pytest.mark.parametrize("name", ["sslmod", "pool", "foo", "sslidentity"])
def test_what_is_not_known_is_named_without_its_value(kind: str, name: str) -> None:
    """A misspelled `sslmode` is no `sslmode`."""
    with pytest.raises(ValueError, match=f"^{name}: unknown parameter. Known are sslmode") as caught:
        store_url.parse(f"{kind}://h/d?{name}=hidden")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("query", ["ssl={", 'ssl={"ca":"x"}', "sslaccept=perhaps", "tls=custom", "sslmode=on"])
def test_a_mode_that_is_not_understood_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="the TLS mode must be"):
        store_url.parse(f"mysql://h/d?{query}")


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_a_certificate_that_cannot_be_read_is_refused_by_the_setting(kind: str, tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    for query in ("sslrootcert=/nowhere/ca.pem", f"sslcert={tmp_path}/broken.pem"):
        with pytest.raises(ValueError, match="DATABASE_URL: a certificate or key that it names cannot be read: "):
            StoreSettings(database_url=f"{kind}://h/d?sslmode=verify-full&{query}")


def test_a_certificate_without_a_key_is_the_authoritys_as_prisma_writes_it() -> None:
    assert store_url.parse("mysql://h/d?sslcert=/ca.pem").parameters.tls == {"ca": "/ca.pem"}
    both = store_url.parse("mysql://h/d?sslcert=/c.pem&sslkey=/k.pem").parameters.tls
    assert both == {"cert": "/c.pem", "key": "/k.pem"}


def test_what_changes_nothing_is_said_with_the_reason() -> None:
    found = store_url.parse("postgresql://h/d?pool_timeout=3&sslmode=require&channel_binding=require").parameters
    assert found.ignored == {
        "pool_timeout": "Trivet has its own time-outs",
        "channel_binding": "the drivers have no channel binding; sslmode=verify-full authenticates the server too",
    }


def test_a_connection_limit_is_the_pools_size_unless_the_variable_says_another() -> None:
    url = "mysql://h/d?connection_limit=3"
    assert StoreSettings(database_url=url).limits.connections == 3
    assert StoreSettings(database_url=url, pool_connections=4).limits.connections == 4
    for wrong in ("0", "many", "501"):
        with pytest.raises(ValueError, match="connection_limit must be a number from 1 to 500"):
            store_url.parse(f"mysql://h/d?connection_limit={wrong}")


def test_a_user_and_a_socket_can_be_parameters() -> None:
    store = store_url.parse("postgresql:///d?host=/run/postgresql&user=ann&password=p%40ss")
    url, _ = store.for_service()
    assert (url.host, url.username, url.password) == ("/run/postgresql", "ann", "p@ss")
    for arguments in (found[1] for found in (_both("mysql://u@/d?socket=/run/my.sock"))):
        assert arguments == {"unix_socket": "/run/my.sock"}


def _both(text: str) -> tuple[tuple[object, object], tuple[object, object]]:
    store = store_url.parse(text)
    return store.for_service(), store.for_operator()


async def test_a_schema_is_where_tables_are_made_and_found(engine: Engines) -> None:
    """Its name is taken as it is written, as Prisma takes it."""
    plain = engine.get("postgresql").url
    operator, arguments = store_url.parse(plain).for_operator()
    admin = create_engine(operator, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text('CREATE SCHEMA "My schema"'))
        try:
            url = f"{plain}?schema=My%20schema&application_name=my-app"
            migrate.upgrade(url)
            async with Database.open(
                store_url.parse(url), StoreLimits(connections=1), check_schema=SchemaCheck()
            ) as database:
                row = await database.row("test", text("SELECT current_schema(), current_setting('application_name')"))
            assert row is not None
            assert tuple(row) == ("My schema", "my-app")
            assert inspect(connection).has_table("users", schema="My schema")
        finally:
            connection.execute(text('DROP SCHEMA "My schema" CASCADE'))
    admin.dispose()
