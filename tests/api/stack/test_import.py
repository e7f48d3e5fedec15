"""A database that the original made, imported: its people go on as if nothing had happened."""

import json
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, browser, sign_in
from tests.harness.processes import ROOT
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

DUMP = ROOT / "tests/fixtures/better_auth/original.sql"
SECRET = "an-original-secret-0123456789abcdef-0123456789"
"""What the original signed these cookies with."""
PEOPLE = {
    "ada@example.com": "correct horse battery",
    "zoe@example.com": "\uff50\uff41\uff53\uff53 phrase of Zoë",
    "grace@example.com": "an admiral's secret",
}
COOKIES = {
    "ada@example.com": "better-auth.session_token=d9sRG2NSbMglPfpa1aJlzGXPRAr6sbwK"
    ".FfOVDVNYcB9oEXhkbCBC%2BLeZNMCasr0qgetM3AbIrTg%3D",
    "zoe@example.com": "better-auth.session_token=Ln89s4GXi7MFJIfe2f8TJiJdotb5yM4t"
    ".D8%2B84UKkADAJG6qpvxl98x26xGQrty6ssuwMdW2egew%3D; better-auth.dont_remember=true"
    ".uE6rao24g2IpiDB2srzIFQJFckE9Lk2F5Go%2F3DXQROU%3D",
    "grace@example.com": "better-auth.session_token=U3hFT23orf52fdyGIlW0aWWb9bp3zgZ4"
    ".pQdXESQersIqVb4trxLOV0agcFdD%2FOWHsF1ZkFnS3s0%3D",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of ours with everybody in the original's, whose sessions are of today."""
    folder: Path = tmp_path_factory.mktemp("imported")
    with sqlite3.connect(folder / "original.db") as original:
        original.executescript(DUMP.read_text(encoding="utf-8"))
        for column, days in (("createdAt", 0), ("updatedAt", 0), ("expiresAt", 1)):
            time = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            original.execute(f'UPDATE session SET "{column}" = ?', [time])
    original.close()
    ours = f"sqlite:///{folder}/trivet.db"
    migrate.upgrade(ours)
    command = [str(ROOT / "bin/trivet"), "import", "better-auth", "--from", f"sqlite:///{folder}/original.db", "--json"]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": ours, "TRIVET_SECRET": SECRET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {
        "users": {"imported": 3},
        "accounts": {"imported": 4},
        "sessions": {"imported": 3, "skipped": 1},
    }
    return ours


@pytest.fixture(scope="module")
def running(engine: Engines, database: str) -> Iterator[Whole]:
    stores = Stores(database, "mongodb://127.0.0.1:1", engine.get("valkey").url)
    with whole(stores, "cache", "identity", "gateway", **FAST_HASHING, TRIVET_SECRET=SECRET) as processes:
        yield processes


@pytest.fixture
async def client(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(running.url) as client:
        yield client


async def _session(client: httpx.AsyncClient, cookie: str) -> Any:
    answer = await client.get("/api/auth/get-session", headers={"cookie": cookie})
    return answer.raise_for_status().json()


@pytest.mark.parametrize("email", ["ada@example.com", "zoe@example.com"])
async def test_a_cookie_of_the_originals_opens_its_session(client: httpx.AsyncClient, email: str) -> None:
    """Under the same secret nobody has to sign in again, neither who wanted to be remembered nor who did not."""
    found = await _session(client, COOKIES[email])
    assert (found["user"]["email"], found["session"]["userAgent"]) == (email, "Original/1.0")
    forged = COOKIES[email].replace("session_token=", "session_token=x")
    assert await _session(client, forged) is None


async def test_an_old_password_signs_in_and_is_then_hashed_anew(
    client: httpx.AsyncClient, database: str, running: Whole
) -> None:
    """Its scrypt is checked once; what is kept afterwards is Argon2id, and the password is the same."""
    email, password = "zoe@example.com", PEOPLE["zoe@example.com"]
    assert (await sign_in(client, email, password + "x")).status_code == 401
    (await sign_in(client, email, password)).raise_for_status()

    def kept() -> str:
        own = (
            "SELECT password FROM accounts JOIN users ON users.id = user_id WHERE email = ? AND provider = 'credential'"
        )
        with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
            found = connection.execute(own, [email]).fetchone()
        connection.close()
        return str(found[0])

    await until(lambda: kept().startswith("$argon2id$"), 10)
    (await sign_in(client, email, password)).raise_for_status()
    assert (await sign_in(client, email, password + "x")).status_code == 401


async def test_whom_the_original_had_banned_stays_out(client: httpx.AsyncClient) -> None:
    """A7: neither by an old cookie nor by the password."""
    email = "grace@example.com"
    assert await _session(client, COOKIES[email]) is None
    refused = await sign_in(client, email, PEOPLE[email])
    assert (refused.status_code, refused.json()["code"]) == (403, "BANNED_USER")


async def test_accounts_of_providers_are_there(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/auth/list-accounts", headers={"cookie": COOKIES["ada@example.com"]})
    accounts = {each["providerId"]: each for each in answer.raise_for_status().json()}
    assert set(accounts) == {"credential", "github"}
    assert (accounts["github"]["accountId"], accounts["github"]["scopes"]) == ("4242", ["read:user", "user:email"])
