"""People of the original come here, and go back to it: with the passwords and cookies that they have."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from runtime.ids import new_id
from services.identity.store.engine import store_url
from tests.client.conftest import HERE, SECONDS
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, PASSWORD
from tests.harness.processes import ROOT, SECRET
from tests.harness.whole import Stores, Whole, whole

NO_MONGODB = "mongodb://127.0.0.1:1"
CHANGED = "a password that was chosen here"


@pytest.fixture
def original(engine: Engines) -> Iterator[str]:
    """An empty database for the original."""
    url, name = engine.get("mariadb").url, f"original_{new_id().lower()}"
    address, arguments = store_url.parse(url).for_operator()
    server = create_engine(address, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    yield make_url(url).set(database=name, drivername="mysql").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    server.dispose()


@pytest.fixture
def stores(engine: Engines, tmp_path: Path) -> Stores:
    return Stores(f"sqlite:///{tmp_path}/trivet.db", NO_MONGODB, engine.get("valkey").url)


@pytest.fixture
def running(stores: Stores) -> Iterator[Whole]:
    with whole(stores, "cache", "identity", "gateway", **FAST_HASHING) as processes:
        yield processes


def at_original(node: str, url: str, verb: str, *people: str, module: str = "-") -> list[Any]:
    """Have people sign up or in at the original; return its answers."""
    command = [node, str(HERE / "node/original_database.mjs"), url, SECRET, verb, module, *people]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def trivet(database: str, *arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database, "TRIVET_SECRET": SECRET}
    command = [str(ROOT / "bin/trivet"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


async def test_people_come_and_go_back_with_their_passwords(
    node: str, original: str, stores: Stores, running: Whole, tmp_path: Path
) -> None:
    """Who came stays signed in; who changed the password here has the new one there; nobody's old one is lost."""
    ada, bob = at_original(node, original, "sign-up", "ada@example.com", PASSWORD, "bob@example.com", PASSWORD)
    assert (ada["status"], bob["status"]) == (200, 200)
    trivet(stores.sql, "import", "better-auth", "--from", original)

    headers = {"origin": running.url}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=15) as client:
        found = await client.get("/api/auth/get-session", headers={"cookie": ada["cookie"]})
        assert found.json()["user"] == {**found.json()["user"], **ada["user"]}
        change = {"currentPassword": PASSWORD, "newPassword": CHANGED}
        changed = await client.post("/api/auth/change-password", json=change, headers={"cookie": ada["cookie"]})
        changed.raise_for_status()
        body = {"email": "eve@example.com", "name": "Eve", "password": PASSWORD}
        (await client.post("/api/auth/sign-up/email", json=body)).raise_for_status()

    module = tmp_path / "password.mjs"
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    trivet(stores.sql, "export", "better-auth", "--to", original, "--password-module", str(module))
    tries = (("ada", CHANGED), ("ada", PASSWORD), ("bob", PASSWORD), ("bob", CHANGED), ("eve", PASSWORD))
    people = [word for name, password in tries for word in (f"{name}@example.com", password)]
    answers = at_original(node, original, "sign-in", *people, module=str(module))
    assert [answer["status"] for answer in answers] == [200, 401, 200, 401, 200]
    assert answers[0]["user"]["id"] == ada["user"]["id"]
