"""What the stores hold, how it grew, and which indexes are used, as each engine tells it."""

from pathlib import Path

import pytest
from pymongo import MongoClient
from redis import Redis

from ops.schema.mongo import with_mongo
from ops.schema.stats import mongo, redis, sql
from ops.schema.stats.command import as_data, human
from ops.schema.stats.growth import NAME, keep, since_last_look
from ops.schema.stats.sizes import IndexSize, Size, Stats
from runtime.ids import new_id
from services.identity.store.schema import migrate
from services.notifications.store.schema.migrate import upgrade
from tests.conformance.ops.schema.conftest import empty_database, operate
from tests.conftest import Engines

EVENT = "INSERT INTO stripe_events VALUES ('{}', '2026-01-01', '2026-01-01', 1, NULL)"
ROWS = 20


def by_name(sizes: list[Size]) -> dict[str, Size]:
    return {size.name: size for size in sizes}


def test_every_table_has_its_rows_and_bytes_and_every_index_its_state(url: str) -> None:
    operate(url, *(EVENT.format(number) for number in range(ROWS)))
    operate(url, "DROP INDEX ix_users_role" + (" ON users" if "mariadb" in url or "mysql" in url else ""))
    sizes, indexes, _ = sql.look(url)
    events = by_name(sizes)["stripe_events"]
    assert (events.rows, events.is_estimate) == (ROWS, False)
    assert events.bytes is None or events.bytes > 0
    states = {index.name: index.state for index in indexes}
    assert [name for name, state in states.items() if state == "missing"] == ["ix_users_role"]
    assert {"uq_users_email", "ix_sessions_user_id"} <= states.keys()
    if url.startswith("postgresql"):
        assert states["ix_sessions_user_id"] == "unused"
        assert states["uq_users_email"] == "used"  # it keeps addresses unique
    if not url.startswith("sqlite"):
        assert all(index.bytes for index in indexes if index.name == "ix_sessions_user_id")


def test_an_index_that_mariadb_counts_is_told_with_its_uses(engine: Engines) -> None:
    with empty_database(engine.get("mariadb").url) as url:
        migrate.upgrade(url)
        assert sql.look(url)[2] == [sql.NOT_COUNTED]
        operate(url, "SET GLOBAL userstat = 1")
        try:
            operate(url, EVENT.format(1), "SELECT * FROM stripe_events WHERE applied_at IS NULL")
            _, indexes, remarks = sql.look(url)
        finally:
            operate(url, "SET GLOBAL userstat = 0")
    assert remarks == []
    states = {index.name: index.state for index in indexes}
    assert states["ix_stripe_events_applied_at"] == "used"
    assert states["ix_sessions_user_id"] == "unused"


def test_collections_and_their_indexes(engine: Engines) -> None:
    address = f"{engine.get('secantusdb').url}/stats_{new_id()}"
    sizes, indexes = with_mongo(mongo.look, address)
    assert {size.rows for size in sizes} == {0}
    assert {index.state for index in indexes} == {"missing"}
    with_mongo(upgrade, address)
    with MongoClient[dict[str, object]](address) as client:
        client.get_default_database()["logs"].insert_many([{"message": "x" * 100} for _ in range(ROWS)])
    sizes, indexes = with_mongo(mongo.look, address)
    logs = by_name(sizes)["logs"]
    assert logs.rows == ROWS
    assert logs.bytes is not None
    assert logs.bytes > ROWS * 100
    assert "missing" not in {index.state for index in indexes}
    assert all(index.bytes is not None for index in indexes)


@pytest.mark.parametrize("server", ["redis", "valkey"])
async def test_keys_of_redis_by_namespace(engine: Engines, server: str) -> None:
    url, prefix = engine.get(server).url, f"stats[{new_id()}]:"
    keys = [f"entry:sessions:{number}" for number in range(redis.SAMPLE + 50)]
    keys += ["entry:ops/x:1", "tag:user:1", "tag:user:2", "counter:a:b", "stream", "gateway/sign-in:0f"]
    with Redis.from_url(url) as client:
        client.mset({f"{prefix}{key}": "v" * 50 for key in keys} | {f"{prefix[:-2]}x": "of another"})
        found = by_name(await redis.look(url, prefix))
        client.delete(*(f"{prefix}{key}" for key in keys), f"{prefix[:-2]}x")
    assert {name: size.rows for name, size in found.items()} == {
        "entry sessions": redis.SAMPLE + 50,
        "entry ops/x": 1,
        "tag": 2,
        "counter a": 1,
        "stream": 1,
        "gateway/sign-in": 1,
    }
    sessions = found["entry sessions"]
    assert sessions.is_estimate
    assert sessions.bytes is not None
    assert sessions.bytes > sessions.rows * 50


def test_growth_is_since_the_last_look_at_the_same_stores(tmp_path: Path) -> None:
    before, after = Size("sql", "users", 5, 100), Size("sql", "users", 7, 90)
    assert since_last_look(tmp_path, "here", [before]) == {}
    keep(tmp_path, "here", [before])
    grown = since_last_look(tmp_path, "here", [after, Size("sql", "new", 1, 1)])
    assert list(grown) == ["sql users"]
    assert (grown["sql users"].rows, grown["sql users"].bytes) == (2, -10)
    assert since_last_look(tmp_path, "elsewhere", [after]) == {}
    for broken in ("", "[]", '{"here": {"sql users": 1}}', '{"here": {"sql users": {"rows": 1}}}'):
        (tmp_path / NAME).write_text(broken)
        assert since_last_look(tmp_path, "here", [after]) == {}


def test_programs_get_numbers_and_people_units() -> None:
    stats = Stats([Size("sql", "users", 5, None)], [IndexSize("sql", "users", "ix", uses=0)])
    data = as_data(stats, {})
    assert (data["tables"][0]["bytes"], data["indexes"][0]["state"]) == (None, "unused")
    shown = [human(None), human(0), human(1023), human(1536), human(-(2**20), sign=True)]
    assert shown == ["-", "0 B", "1,023 B", "1.5 KiB", "-1.0 MiB"]
