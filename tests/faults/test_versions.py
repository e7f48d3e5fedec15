"""Processes of an earlier commit beside today's, on the same stores with today's schema (R32)."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.identity.store.schema.migrate import upgrade
from tests.harness.clients import LIMITED
from tests.harness.people import FAST_HASHING, browser, new_email, sign_up
from tests.harness.ports import free_port
from tests.harness.processes import ROOT, process
from tests.harness.stores import engines
from tests.harness.waiting import until
from tests.harness.whole import SERVICES

EARLIER = "804944d"
"""The last commit before the schema was versioned, as long as there is no release."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the earlier commit."""
    found = subprocess.run(["git", "-C", ROOT, "archive", EARLIER], capture_output=True)
    if found.returncode != 0:
        pytest.skip(f"the commit {EARLIER} is not in this clone: fetch the whole history")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def gateways(earlier: Path) -> Iterator[list[str]]:
    """The addresses of four gateways: each version before the services of each version."""
    with ExitStack() as stack:
        own = [stack.enter_context(start()) for start in (engines.mariadb, engines.secantusdb, engines.valkey)]
        upgrade(own[0].url)
        given: dict[str, Any] = {**LIMITED, **FAST_HASHING, "TRIVET_BASE_URL": "http://app.example.com"}
        given |= dict(zip(("DATABASE_URL", "MONGODB_URI", "REDIS_URL"), (each.url for each in own), strict=True))
        found = []
        trees = {"new": ROOT, "old": earlier}
        path = {name: f"{tree / 'protos'}{os.pathsep}{tree}" for name, tree in trees.items()}
        for version in trees:
            ports = {name: free_port() for name in SERVICES}
            addresses = {f"TRIVET_{name.upper()}_ADDRESS": f"127.0.0.1:{port}" for name, port in ports.items()}
            for name, port in ports.items():
                own_given = {**given, **addresses, "PYTHONPATH": path[version]}
                stack.enter_context(process(name, port=port, **own_given))
            for other in trees:
                own_given = {**given, **addresses, "PYTHONPATH": path[other]}
                running = stack.enter_context(process("gateway", **own_given))
                found.append(f"http://{running.address}")
        yield found


async def test_both_versions_serve_the_same_users_side_by_side(gateways: list[str]) -> None:
    """A user of any gateway is signed in at all, a change is seen by all, and a sign-out ends the session at all."""
    await until(lambda: _are_ready(gateways), 30)
    for first in gateways:
        async with AsyncExitStack() as stack:
            clients: list[httpx.AsyncClient] = [await stack.enter_async_context(browser(url)) for url in gateways]
            own = clients[gateways.index(first)]
            for client in clients:
                client.headers["origin"] = "http://app.example.com"
            (await sign_up(own, new_email())).raise_for_status()
            for client in clients:
                client.cookies = own.cookies
            for number, client in enumerate(clients):
                renamed = await client.post("/api/auth/update-user", json={"name": f"Ada {number}"})
                assert renamed.status_code == 200, renamed.text
                for each in clients:
                    session = (await each.get("/api/auth/get-session")).json()
                    assert session["user"]["name"] == f"Ada {number}", (first, number)
                unread = await client.get("/v1/notifications:countUnread")
                assert unread.json()["unreadCount"] == 0, unread.text
            ended = await clients[-1].post("/api/auth/revoke-sessions", json={})
            assert ended.status_code == 200, ended.text
            for client in clients:
                assert (await client.get("/api/auth/get-session")).json() is None


async def _are_ready(gateways: list[str]) -> bool:
    async with httpx.AsyncClient() as http:
        return all([(await http.get(f"{url}/readyz")).json()["status"] == "ok" for url in gateways])
