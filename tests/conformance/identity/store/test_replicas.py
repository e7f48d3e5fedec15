"""The lag of a real replica, one that has stopped, and one that is gone."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import create_engine, text

from services.identity.schema import metadata
from services.identity.store.database import Database
from services.identity.store.engine import store_url
from services.identity.store.replicas import Replicas, lag_in
from services.identity.store.sizes import StoreSizes
from tests.harness.child_processes import as_child
from tests.harness.ports import free_port
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine, MissingEngineError
from tests.harness.waiting import until


def lags(system: str) -> dict[str, float]:
    family = next(each for each in REGISTRY.collect() if each.name == "trivet_store_replication_lag_seconds")
    return {sample.labels["replica"]: sample.value for sample in family.samples if sample.labels["system"] == system}


def test_the_slowest_channel_counts_and_a_stopped_one_is_infinitely_late() -> None:
    assert lag_in([{"Seconds_Behind_Source": 3}]) == 3
    assert lag_in([{"Seconds_Behind_Master": 3}, {"Seconds_Behind_Master": 7}]) == 7
    assert lag_in([{"Seconds_Behind_Master": 3}, {"Seconds_Behind_Master": None}]) == inf
    assert lag_in([]) == inf


def run(url: str, *statements: str) -> None:
    engine = create_engine(url.replace("mariadb://", "mysql+pymysql://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


async def test_a_replica_of_mariadb_is_asked_how_late_it_is() -> None:
    try:
        pair = engines.mariadb(lambda _: ["--server-id=1", "--log-bin"]), engines.mariadb(lambda _: ["--server-id=2"])
        with pair[0] as primary, pair[1] as replica:
            at = store_url.parse(replica.url)
            name = f"{at.url.host}:{at.url.port}"
            measured = Replicas([at])
            await measured.measure()
            assert lags("mysql") == {name: inf}  # it replicates nothing yet
            source = f"MASTER_HOST='127.0.0.1', MASTER_PORT={store_url.parse(primary.url).url.port}"
            login = "MASTER_USER='trivet', MASTER_PASSWORD='trivet-test', MASTER_USE_GTID=slave_pos"
            run(replica.url, f"CHANGE MASTER TO {source}, {login}", "START SLAVE")
            run(primary.url, "CREATE TABLE trivet.t (i int)")

            async with asyncio.timeout(60):
                while lags("mysql")[name] == inf:
                    await measured.measure()
            assert 0 <= lags("mysql")[name] < 60
            run(replica.url, "STOP SLAVE")
            await measured.measure()
            assert lags("mysql") == {name: inf}
        await measured.measure()
        assert lags("mysql") == {name: inf}  # it does not answer
    except MissingEngineError as error:
        pytest.skip(str(error))


@contextmanager
def postgresql_replica(primary: Engine) -> Iterator[Engine]:
    """A standby that streams from the primary."""
    server, copy, user = engines.find("postgres"), engines.find("pg_basebackup"), engines.other_user("postgres")
    with engines.server_folder("postgresql", user) as folder:
        data, port = folder / "data", free_port()
        making = [copy, "-d", f"{primary.url}?application_name=standby", "-D", str(data), "-R", "-X", "stream", "-c"]
        subprocess.run(as_child([*making, "fast"], user=user), check=True, capture_output=True, env=os.environ)
        command = [server, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        with engines.running(Engine("standby", ""), command, port, folder, user=user) as engine:
            yield engine


async def test_a_primary_of_postgresql_reports_its_replicas() -> None:
    try:
        with engines.postgresql() as primary:
            async with Database.open(store_url.parse(primary.url)) as database:
                sizes = StoreSizes(database, metadata)
                await sizes.measure_replicas()
                assert lags("postgresql") == {}
                with postgresql_replica(primary):
                    with psycopg.connect(primary.url) as connection:
                        await until(lambda: has_standby(connection), 30)
                    await sizes.measure_replicas()
                    assert [0 <= lag < 60 for lag in lags("postgresql").values()] == [True]
                    assert list(lags("postgresql")) == ["standby 127.0.0.1"]
                with psycopg.connect(primary.url) as connection:
                    await until(lambda: not has_standby(connection), 30)
                await sizes.measure_replicas()
                assert lags("postgresql") == {}
    except MissingEngineError as error:
        pytest.skip(str(error))


def has_standby(connection: psycopg.Connection) -> bool:
    found = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
    connection.rollback()
    return bool(found and found[0])
