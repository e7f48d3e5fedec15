"""The cache service's user in Redis and Valkey reaches the keys of its prefix by the commands that it needs alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from ops.errors import WrongSettings
from ops.grants.grants import Choices, Grants
from ops.grants.redis import IN_SCRIPTS, redis_grants
from runtime.ids import new_id
from services.cache.redis.scripts import FOLDER
from tests.conftest import Engines

FORBIDDEN = (
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 0",
    "KEYS *",
    "SCAN 0",
    "DBSIZE",
    "ACL LIST",
    "ACL SETUSER other on",
    "CLIENT LIST",
    "SCRIPT FLUSH",
    "SAVE",
    "SHUTDOWN NOSAVE",
    "REPLICAOF NO ONE",
    "PUBLISH channel x",
    "SUBSCRIBE channel",
    "MONITOR",
    "RENAME {prefix}a {prefix}b",
    "GET other",
    "SET other x",
    "DEL other",
    "GET {longer}",
)
CALL = re.compile(r"redis\.p?call\(\s*['\"](\w+)['\"]", re.IGNORECASE)


@dataclass
class Cache:
    """A server, and the user that the command has made in it."""

    admin: str
    prefix: str
    name: str

    def found(self, *, applies: bool = True, **choices: Any) -> Grants:
        return redis_grants(self.admin, self.prefix, Choices(self.name, **choices), applies=applies)

    def make(self, **choices: Any) -> str:
        """Make the user; return its address."""
        found = self.found(**choices)
        found.apply()
        return found.addresses["cache"].partition("=")[2]


@pytest.fixture(params=["redis", "valkey"])
def cache(request: pytest.FixtureRequest, engine: Engines) -> Iterator[Cache]:
    """A prefix with signs that Redis' patterns give a meaning."""
    number = new_id().lower().replace("-", "")[-8:]
    made = Cache(engine.get(request.param).url, f"t[{number}]*?\\:", f"t{number}")
    yield made
    with Redis.from_url(made.admin) as server:
        server.execute_command("ACL", "DELUSER", f"{made.name}_cache")


def test_the_user_is_denied_all_other_commands_and_keys(cache: Cache) -> None:
    with Redis.from_url(cache.make()) as server:
        names = {"prefix": cache.prefix, "longer": f"t{cache.prefix[2]}xyz:"}
        for line in FORBIDDEN:
            with pytest.raises(NoPermissionError):
                server.execute_command(*line.format(**names).split())


def test_a_script_is_denied_what_its_user_is_denied(cache: Cache) -> None:
    with Redis.from_url(cache.make()) as server:
        assert server.eval("return redis.call('SET', KEYS[1], 'x')", 1, f"{cache.prefix}a") == b"OK"
        for script in ("return redis.call('FLUSHALL')", "return redis.call('GET', 'other')"):
            with pytest.raises(ResponseError, match=r"(?i)permission|can't (run|access)"):
                server.eval(script, 0)


def test_the_user_can_send_every_command_of_the_scripts() -> None:
    found = {name.lower() for path in FOLDER.glob("*.lua") for name in CALL.findall(path.read_text())}
    assert found == set(IN_SCRIPTS)


def test_no_password_is_in_the_command_and_it_can_be_repeated(cache: Cache) -> None:
    found = cache.found()
    found.apply()
    address = found.addresses["cache"].partition("=")[2]
    with Redis.from_url(address) as server:
        password = server.connection_pool.connection_kwargs["password"]
        assert password not in str(found.statements) + repr(found)
        assert ":***@" in cache.make()  # its own stays
        server.set(f"{cache.prefix}a", "x")
    with Redis.from_url(cache.make(renews=True)) as server:
        assert server.get(f"{cache.prefix}a") == b"x"
    with Redis.from_url(address) as server, pytest.raises(AuthenticationError):
        server.get(f"{cache.prefix}a")


def test_without_an_acl_file_a_note_says_that_a_restart_forgets_the_user(cache: Cache) -> None:
    (line,) = cache.found().apply()
    assert "redis.conf" in line


def test_what_is_printed_is_a_line_for_the_client(cache: Cache) -> None:
    (line,) = cache.found(applies=False, passwords={"cache": "a-chosen.pass_word"}).statements
    with Redis.from_url(cache.admin) as server:
        server.execute_command(*line.split(" "))
    with Redis.from_url(cache.admin, username=f"{cache.name}_cache", password="a-chosen.pass_word") as server:
        server.set(f"{cache.prefix}a", "x")


def test_the_user_is_no_administrator(cache: Cache) -> None:
    with pytest.raises(WrongSettings, match="give the address of an administrator"):
        redis_grants(cache.make(), cache.prefix, Choices(cache.name), applies=True)


def test_a_sentinels_address_is_refused_because_users_are_not_replicated() -> None:
    url = "redis+sentinel://127.0.0.1:26379/trivet"
    with pytest.raises(WrongSettings, match="every server"):
        redis_grants(url, "trivet:", Choices(), applies=True)
    found = redis_grants(url, "trivet:", Choices(), applies=False)
    assert found.statements[0].startswith("ACL SETUSER trivet_cache reset on #")
    assert found.notes
