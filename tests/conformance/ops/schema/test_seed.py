"""Seeded data: the same for a seed, whole on every engine, with a known password; and how it goes again."""

from datetime import UTC, datetime

import pytest
from pymongo import MongoClient
from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import NullPool

from ops.errors import CommandFailed
from ops.schema.mongo import with_mongo
from ops.seed import clearing, loading, people
from ops.seed.people import COLUMNS, Seed
from ops.seed.seeding import PASSWORD, password_hash, seed_mongo, seed_sql
from runtime.ids import new_id
from services.identity.email.addresses import normal_email
from services.identity.passwords.hashing import Hasher, HashingConfig
from services.identity.schema import metadata, users
from services.identity.store.engine import store_url
from services.notifications.store.schema.migrate import upgrade
from tests.conftest import Engines

DAY = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = 60
HASH = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"


def seed_of(number: int, count: int = COUNT) -> Seed:
    return Seed(number, count, DAY, HASH)


def ignore(more: int) -> None:
    """Show no progress."""


def stored_rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Return what each seeded table holds, as the code reads it."""
    address, arguments = store_url.parse(url).for_operator()
    engine = create_engine(address, connect_args=arguments, poolclass=NullPool)
    found = {}
    with engine.connect() as connection:
        for name, columns in COLUMNS.items():
            table = metadata.tables[name]
            found[name] = sorted(tuple(row) for row in connection.execute(select(*(table.c[each] for each in columns))))
    return found


def test_a_seed_makes_the_same_users_again_and_another_makes_others() -> None:
    (first,), (again,), (other,) = (list(seed_of(number).chunks()) for number in (1, 1, 2))
    assert first == again
    assert not {row[0] for row in first.rows["users"]} & {row[0] for row in other.rows["users"]}
    assert password_hash(1) == password_hash(1) != password_hash(2)


def test_more_users_of_a_seed_begin_with_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "CHUNK", 20)
    few, many = list(seed_of(1, 40).chunks()), list(seed_of(1, 60).chunks())
    assert many[:2] == few
    assert [chunk.users for chunk in many] == [20, 20, 20]


def test_seeded_users_look_like_users() -> None:
    (chunk,) = seed_of(7, 2_000).chunks()
    columns = dict(zip(COLUMNS["users"], zip(*chunk.rows["users"], strict=True), strict=True))
    assert all(normal_email(email) == email for email in columns["email"])
    assert len(set(columns["email"])) == len(set(columns["id"])) == 2_000
    assert columns["role"].count("admin") == 1
    assert 0 < sum(columns["banned"]) < 100
    assert max(columns["created_at"]) < DAY
    assert all(row[5] > DAY for row in chunk.rows["sessions"])  # none has expired
    assert 300 < len(chunk.rows["subscriptions"]) < 500
    assert {document["userId"] for document in chunk.documents["notifications"]} <= set(columns["id"])


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "insert"])
def test_what_is_stored_is_what_was_made(url: str, bulk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a server does not allow its bulk load."""
    if not bulk:
        monkeypatch.setattr(loading, "_way", lambda _: loading.insert_many)
    done: list[int] = []
    counts = seed_sql(url, seed_of(1), done.append)
    (chunk,) = seed_of(1).chunks()
    assert counts == {name: len(rows) for name, rows in chunk.rows.items()}
    assert done == [COUNT]
    assert stored_rows(url) == {name: sorted(rows) for name, rows in chunk.rows.items()}
    with pytest.raises(CommandFailed, match="seed 1 is in the database already: give another --seed, or delete it"):
        seed_sql(url, seed_of(1), ignore)
    seed_sql(url, seed_of(2), ignore)


def test_each_engine_is_loaded_by_its_fastest_way(url: str) -> None:
    fastest = {"postgresql": loading._copy, "mysql": loading._load_data, "sqlite": loading.insert_many}
    with loading.loading(url) as (engine, load):
        assert load is fastest[engine.dialect.name]


def test_texts_with_tabs_and_backslashes_survive_a_bulk_load(url: str) -> None:
    odd = "a\tb\\N\\.\r\nc'\"é🦊"
    values = dict(zip(COLUMNS["users"], seed_row(), strict=True)) | {"name": odd}
    with loading.loading(url) as (engine, load), engine.begin() as connection:
        load(connection, "users", COLUMNS["users"], [tuple(values.values())])
    assert stored_rows(url)["users"][0][4] == odd


def seed_row() -> tuple[object, ...]:
    """Return the row of one user."""
    return next(seed_of(1).chunks()).rows["users"][0]


async def test_all_sign_in_with_the_known_password() -> None:
    with Hasher(HashingConfig(workers=1)) as hasher:
        stored = password_hash(3)
        assert await hasher.verify(stored, PASSWORD)
        assert not hasher.is_outdated(stored)


def test_a_clear_deletes_seeds_and_tests_and_nothing_else(url: str, engine: Engines) -> None:
    address = f"{engine.get('secantusdb').url}/seed_{new_id()}"
    with_mongo(upgrade, address)
    shown: list[int] = []
    seeded = with_mongo(lambda database: seed_mongo(database, seed_of(1, 10), shown.append), address)
    assert seeded["notifications"] > 0
    assert sum(shown) == 10
    seed_sql(url, seed_of(1, 10), ignore)
    kept = dict(zip(COLUMNS["users"], seed_row(), strict=True)) | {"id": "kept", "email": "ann@notexample.com"}
    of_test = kept | {"id": "of-a-test", "email": "bo@example.com"}
    with loading.loading(url) as (opened, _), opened.begin() as connection:
        connection.execute(insert(users), [kept, of_test])
    with MongoClient[dict[str, object]](address) as client:
        logs = client.get_default_database()["logs"]
        logs.insert_many([{"userId": "kept"}, {"userId": "of-a-test"}, {"userId": ""}])
        assert clearing.count(url) == 11
        done: list[int] = []
        with_mongo(lambda database: clearing.clear(url, database, done.append), address)
        assert sum(done) == 11
        assert sorted(str(row["userId"]) for row in logs.find()) == ["", "kept"]
        assert client.get_default_database()["notifications"].count_documents({}) == 0
    rows = stored_rows(url)
    assert [row[0] for row in rows.pop("users")] == ["kept"]
    assert not any(rows.values())
    assert clearing.count(url) == 0


def test_every_chunk_has_the_columns_of_its_tables() -> None:
    for name, columns in COLUMNS.items():
        table = metadata.tables[name]
        assert set(columns) <= set(table.c.keys())
        required = {each.name for each in table.c if not each.nullable and each.server_default is None}
        assert required <= set(columns)
