"""The whole stack, its migrations and its backups run as the users that `trivet db grants` makes."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from redis import Redis

from runtime.ids import new_id
from tests.conformance.ops.grants.conftest import Database
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, browser, new_email, sign_in, sign_up
from tests.harness.stack import environment, trivet
from tests.harness.waiting import until
from tests.harness.whole import Stores, whole

DENIED = ("denied", "permission", "not authorized", "lacks a privilege", "NOPERM")


def test_a_user_signs_up_comes_back_and_is_deleted_while_every_process_has_least_rights(
    database: Database, mongodb_with_users: str, engine: Engines, tmp_path: Path
) -> None:
    admins = {
        "DATABASE_URL": database.admin,
        "MONGODB_URI": f"{mongodb_with_users}/g{database.prefix}?authSource=admin",
        "REDIS_URL": engine.get("redis").url,
        "TRIVET_CACHE_PREFIX": f"{database.prefix}:",
    }
    users = _made(database.prefix, admins, tmp_path)
    as_migrator = {"DATABASE_URL": users["sql migrator"], "MONGODB_URI": users["mongodb migrator"]}
    _run("db", "migrate", folder=tmp_path, **as_migrator)
    _run("db", "grants", "--apply", "--prefix", database.prefix, folder=tmp_path, **admins)
    stores = Stores(users["sql identity"], users["mongodb notifications"], users["redis cache"])
    prefix = {"TRIVET_CACHE_PREFIX": admins["TRIVET_CACHE_PREFIX"]}
    try:
        with whole(stores, **FAST_HASHING, **prefix) as running:
            asyncio.run(_live(running.url))
            output = "".join(process.output() for process in running.processes.values())
            assert [line for line in output.splitlines() if any(word in line for word in DENIED)] == []
        to = {"TRIVET_BACKUP_TO": str(tmp_path / "backups")}
        as_backup = {"DATABASE_URL": users["sql backup"], "MONGODB_URI": users["mongodb backup"]}
        made = _run("backup", "create", folder=tmp_path, **as_backup, **to)
        assert "users" in made
    finally:
        with Redis.from_url(admins["REDIS_URL"]) as server:
            server.execute_command("ACL", "DELUSER", f"{database.prefix}_cache")
        with MongoClient[Any](admins["MONGODB_URI"]) as client:
            client.drop_database(f"g{database.prefix}")


async def _live(url: str) -> None:
    """Sign up, sign in elsewhere, revoke that session, read notifications, and delete the account."""
    email = new_email()
    async with browser(url) as first, browser(url) as second:
        (await sign_up(first, email)).raise_for_status()
        token = (await sign_in(second, email)).raise_for_status().json()["token"]
        assert (await second.get("/api/auth/get-session")).json()["user"]["email"] == email
        (await first.post("/api/auth/revoke-session", json={"token": token})).raise_for_status()
        assert (await second.get("/api/auth/get-session")).json() is None
        (await first.post("/api/auth/update-user", json={"name": new_id()})).raise_for_status()
        (await first.get("/v1/notifications")).raise_for_status()
        assert (await first.get("/readyz")).json().get("degraded", []) == []
        (await first.post("/api/auth/delete-user", json={"password": "a long enough password"})).raise_for_status()

        async def is_gone() -> bool:
            answer: httpx.Response = await sign_in(second, email)
            return answer.status_code == httpx.codes.UNAUTHORIZED

        await until(is_gone, 30)


def _made(prefix: str, admins: dict[str, str], folder: Path) -> dict[str, str]:
    """Run the command for each store; return the addresses by store and role."""
    found = {}
    for store in ("sql", "mongodb", "redis"):
        printed = _run("db", "grants", "--apply", "--prefix", prefix, "--store", store, folder=folder, **admins)
        role = ""
        for line in printed.splitlines():
            if line.startswith("# "):
                role = line[2:]
            else:
                found[f"{store} {role}"] = line.partition("=")[2]
    return found


def _run(*arguments: str, folder: Path, **extra: str) -> str:
    done = trivet(*arguments, environment=environment(folder / "data", **extra))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "no store is given"),
        (["--prefix", "Robert'); DROP"], "--prefix takes"),
        (["--host", "x' y"], "--host takes"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], line: str, tmp_path: Path) -> None:
    done = trivet("db", "grants", *arguments, environment=environment(tmp_path / "data"))
    assert done.returncode == 2
    assert line in done.stderr
    assert done.stdout == ""


def test_sqlite_has_no_users(tmp_path: Path) -> None:
    of_file = environment(tmp_path / "data", DATABASE_URL=f"sqlite:///{tmp_path}/x.db")
    done = trivet("db", "grants", "--apply", environment=of_file)
    assert done.returncode == 0
    assert "SQLite has no users" in done.stderr


def test_a_password_that_is_short_or_needs_quotes_is_refused_by_its_name(tmp_path: Path) -> None:
    for wrong in ("short", "it's got a quote in it"):
        given = environment(tmp_path / "data", DATABASE_URL="mysql://a@b/c", TRIVET_GRANTS_BACKUP_PASSWORD=wrong)
        done = trivet("db", "grants", environment=given)
        assert done.returncode == 2
        assert "TRIVET_GRANTS_BACKUP_PASSWORD: must be 16 to 128" in done.stderr
        assert wrong not in done.stderr
