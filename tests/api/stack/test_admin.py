"""Administrators over HTTP: roles, bans and search, and what every gateway makes of them at once."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Engines
from tests.harness.clients import LIMITED
from tests.harness.people import FAST_HASHING, browser, new_email, sign_in, signed_up
from tests.harness.processes import ROOT, Process, process
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

NO_MONGODB = "mongodb://127.0.0.1:1"


@dataclass(frozen=True)
class Site:
    """Two gateways before one identity service, and its database."""

    first: Whole
    second: Process
    database: str

    @property
    def urls(self) -> tuple[str, str]:
        return self.first.url, f"http://{self.second.address}"

    def trivet(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a subcommand on the database."""
        environment = {"PATH": "/usr/bin:/bin", "DATABASE_URL": self.database, "TRIVET_SECRET": ""}
        command = [str(ROOT / "bin/trivet"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def site(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("admin")
    stores = Stores(f"sqlite:///{folder / 'trivet.db'}", NO_MONGODB, engine.get("valkey").url)
    with whole(stores, "cache", "identity", "gateway", **FAST_HASHING) as first:
        names = [f"TRIVET_{name}_ADDRESS" for name in ("IDENTITY", "NOTIFICATIONS", "CACHE")]
        addresses: dict[str, Any] = {name: first["gateway"].environment[name] for name in names}
        base: dict[str, Any] = {"TRIVET_BASE_URL": first.url, **LIMITED}
        with process("gateway", **addresses, **base) as second:
            yield Site(first, second, stores.sql)


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in administrator."""
    email = new_email()
    async with signed_up(site.first.url, email) as client:
        promoted = site.trivet("users", "promote", email)
        assert promoted.returncode == 0, promoted.stderr
        (await sign_in(client, email)).raise_for_status()
        yield client


async def _session(url: str, of: httpx.AsyncClient) -> Any:
    """Return what a gateway says to somebody's cookies."""
    cookies = "; ".join(f"{name}={value}" for name, value in of.cookies.items())
    async with httpx.AsyncClient() as anywhere:
        answer = await anywhere.get(f"{url}/api/auth/get-session", headers={"cookie": cookies})
        return answer.raise_for_status().json()


async def test_a_ban_is_refused_by_every_gateway_at_once(site: Site, admin: httpx.AsyncClient) -> None:
    """S4, A7: the sessions end on both gateways, though both had them cached, and no password opens another."""
    email = new_email()
    async with signed_up(site.first.url, email) as person:
        user_id = (await _session(site.urls[0], person))["user"]["id"]
        for url in site.urls:
            assert (await _session(url, person))["user"]["email"] == email
        body = {"reason": "spam", "duration": "3600s"}
        banned = (await admin.post(f"/v1/users/{user_id}:ban", json=body)).raise_for_status().json()
        assert (banned["banned"], banned["banReason"]) == (True, "spam")
        for url in site.urls:
            assert await _session(url, person) is None
        refused = await sign_in(person, email)
        assert (refused.status_code, refused.json()["code"]) == (403, "BANNED_USER")
        wrong = await sign_in(person, email, "not the right password")
        assert (wrong.status_code, wrong.json()["code"]) == (401, "INVALID_EMAIL_OR_PASSWORD")
        (await admin.post(f"/v1/users/{user_id}:unban", json={})).raise_for_status()
        (await sign_in(person, email)).raise_for_status()


async def test_a_new_role_is_worn_by_a_new_session(site: Site, admin: httpx.AsyncClient) -> None:
    """S2."""
    email = new_email()
    async with signed_up(site.first.url, email) as person:
        user_id = (await _session(site.urls[0], person))["user"]["id"]
        assert (await person.get("/v1/users")).status_code == 403
        changed = await admin.post(f"/v1/users/{user_id}:setRole", json={"role": "ROLE_ADMIN"})
        assert changed.raise_for_status().json()["role"] == "ROLE_ADMIN"
        assert await _session(site.urls[1], person) is None
        (await sign_in(person, email)).raise_for_status()
        assert (await person.get("/v1/users")).status_code == 200


async def test_an_administrator_finds_people_and_ends_their_sessions(site: Site, admin: httpx.AsyncClient) -> None:
    email = new_email()
    async with signed_up(site.first.url, email) as person:
        wanted = {"query": email[:12], "page": "1", "order": "USER_ORDER_NAME_ASC", "emailVerified": "false"}
        found = (await admin.get("/v1/users", params=wanted)).raise_for_status().json()
        assert ([user["email"] for user in found["users"]], found["totalSize"]) == ([email], 1)
        theirs = {"userId": found["users"][0]["id"]}
        sessions = (await admin.get("/v1/sessions", params=theirs)).raise_for_status().json()["sessions"]
        assert len(sessions) == 1
        gone = await admin.delete(f"/v1/sessions/{sessions[0]['id']}", params=theirs)
        assert gone.raise_for_status().json()["revoked"]
        assert await _session(site.urls[1], person) is None


@pytest.mark.parametrize(
    ("verb", "body", "reason"),
    [
        ("ban", {"duration": "0s"}, "INVALID_DURATION"),
        ("ban", {"duration": "-3600s"}, "INVALID_DURATION"),
        ("ban", {"duration": "315576000000s"}, "INVALID_DURATION"),
        ("ban", {"reason": "x" * 513}, "INVALID_REASON"),
        ("ban", {"reason": "\x1b[2J"}, "INVALID_REASON"),
        ("setRole", {"role": "ROLE_KING"}, "INVALID_VALUE"),
    ],
)
async def test_a_decision_out_of_range_is_refused(
    site: Site, admin: httpx.AsyncClient, verb: str, body: dict[str, Any], reason: str
) -> None:
    answer = await admin.post(f"/v1/users/{'a' * 32}:{verb}", json=body)
    assert (answer.status_code, answer.json()["error"]["details"][0]["reason"]) == (400, reason)


async def test_administrators_do_not_ban_themselves_and_nobody_is_404(site: Site, admin: httpx.AsyncClient) -> None:
    own = (await _session(site.urls[0], admin))["user"]["id"]
    refused = await admin.post(f"/v1/users/{own}:ban", json={})
    assert (refused.status_code, refused.json()["error"]["details"][0]["reason"]) == (400, "CANNOT_BAN_YOURSELF")
    assert (await admin.post(f"/v1/users/{'a' * 32}:ban", json={})).status_code == 404


async def test_a_ban_by_the_command_line_reaches_every_gateway(site: Site) -> None:
    """S4: straight in the database; the relay of the running service tells the caches."""
    email = new_email()
    async with signed_up(site.first.url, email) as person, browser(site.urls[1]):
        for url in site.urls:
            assert await _session(url, person) is not None
        done = site.trivet("users", "ban", email, "--for", "1h")
        assert done.returncode == 0, done.stderr
        assert "sessions ended: 1" in done.stdout

        async def is_refused() -> bool:
            return [await _session(url, person) for url in site.urls] == [None, None]

        await until(is_refused, 10)
        assert (await sign_in(person, email)).status_code == 403
