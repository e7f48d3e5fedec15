"""Redis and Valkey: every cache is invalidated by a restore, and their keys are backed up where that is wanted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from ops.backup.caches import _begin_epoch
from ops.backup.creation import RedisDump, create
from ops.backup.restoration import Restoration
from ops.backup.scratch.processes import ended, wait_for_port
from ops.backup.streams import unpack
from ops.errors import CommandFailed
from runtime.ids import new_id
from services.cache.entries.entries import Entries, Entry
from services.cache.redis.store import Store
from tests.conformance.backup.conftest import Backups
from tests.conftest import Engines
from tests.harness.ports import free_port
from tests.harness.stores.engines import Engine, find
from tests.harness.waiting import until

ON_SQLITE = pytest.mark.parametrize("sql_engine", ["sqlite"])
OTHER = {"redis": "valkey", "valkey": "redis"}


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, engine: Engines) -> Engine:
    return engine.get(request.param)


@pytest.fixture
def prefix() -> str:
    return f"b[*]:{new_id()}:"


async def test_a_new_epoch_makes_every_entry_a_miss_in_a_running_cache(server: Engine, prefix: str) -> None:
    """A restore begins one; without it the entry of before is believed."""
    async with Store(server.url, prefix) as store, Redis.from_url(server.url):
        await until(lambda: store.is_up, 5)
        entries = Entries(store)
        await entries.set("things", [Entry("key", b"before", 60_000, ("tag",), None)])
        assert (await entries.get("things", ["key"]))[0].value == b"before"
        assert await _begin_epoch(server.url, prefix)
        assert (await entries.get("things", ["key"]))[0].value is None
        assert not await _begin_epoch("redis://127.0.0.1:1", prefix)


def write_keys(server: Engine, prefix: str) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set(f"{prefix}entry", b"\x00binary\xff", px=600_000)
        client.set(f"{prefix}forever", b"1")
        client.hset(f"{prefix}watchers", mapping={"a": "1", "b": "2"})
        for place in range(3):
            client.xadd(f"{prefix}stream", {"epoch": "e", "tags": str(place)}, id=f"{place + 1}-0")
        client.set("of another program", b"x")


def keys_of(server: Engine, prefix: str) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    with redis.Redis.from_url(server.url) as client:
        for name, read in (("entry", client.get), ("watchers", client.hgetall), ("stream", client.xrange)):
            found[name.encode()] = read(prefix + name)
        found[b"left"] = 500_000 < client.pttl(f"{prefix}entry") <= 600_000
        found[b"forever"] = client.pttl(f"{prefix}forever")
    return found


@ON_SQLITE
def test_a_logical_dump_crosses_from_redis_to_valkey_and_back(
    backups: Backups, server: Engine, engine: Engines, prefix: str
) -> None:
    write_keys(server, prefix)
    before = keys_of(server, prefix)
    source = replace(backups.source, redis=server.url)
    manifest = create(backups.destination, source, redis=RedisDump.LOGICAL, prefix=prefix)
    (part,) = manifest.of("redis")
    assert part.engine == server.name
    assert [each.count for each in part.checksums] == [4]
    other = engine.get(OTHER[server.name])
    target = replace(backups.fresh(), redis=other.url)
    restored = Restoration(backups.destination, manifest, target, None, prefix=prefix).run()
    assert restored.keys == 4
    assert keys_of(other, prefix) == before
    only: dict[str, Any] = {"prefix": prefix, "only": ("redis",)}
    with pytest.raises(CommandFailed, match=r"^REDIS_URL: there are keys: give --replace"):
        Restoration(backups.destination, manifest, target, None, **only).run()
    with redis.Redis.from_url(other.url) as client:
        client.set(f"{prefix}later", b"x")
        Restoration(backups.destination, manifest, target, None, replace=True, **only).run()
        assert client.get(f"{prefix}later") is None
    assert keys_of(other, prefix) == before


@contextmanager
def loaded(program: str, folder: Path) -> Iterator[str]:
    """Run a server on a dump, as an operator restores one."""
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "no"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    with ended(process):
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}/0"


@ON_SQLITE
def test_an_rdb_dump_is_loaded_by_a_server_of_its_engine(
    backups: Backups, server: Engine, prefix: str, tmp_path: Path
) -> None:
    find("redis-cli")
    write_keys(server, prefix)
    source = replace(backups.source, redis=server.url)
    manifest = create(backups.destination, source, redis=RedisDump.RDB, prefix=prefix)
    (part,) = manifest.of("redis")
    folder = tmp_path / "server"
    folder.mkdir()
    stored = backups.root / manifest.backup_id / part.file
    with stored.open("rb") as packed, (folder / "dump.rdb").open("wb") as dump:
        unpack(packed, dump, None)
    assert server.process is not None
    assert isinstance(server.process.args, list)
    program = next(word for word in server.process.args if str(word).endswith("-server"))
    with loaded(str(program), folder) as url:
        copy = Engine(server.name, url)
        with redis.Redis.from_url(url) as client:
            client.wait(0, 1)
        assert keys_of(copy, prefix) == keys_of(server, prefix)


@ON_SQLITE
def test_a_server_that_cannot_be_reached_is_named(backups: Backups) -> None:
    source = replace(backups.source, redis="redis://127.0.0.1:1/0")
    with pytest.raises(CommandFailed, match=r"^REDIS_URL: Redis fails or does not answer: "):
        create(backups.destination, source, redis=RedisDump.LOGICAL)
    assert backups.destination.ids() == []
