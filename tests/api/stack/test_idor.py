"""One user's data is never another's: every route of the resource API, tried on real resources of somebody else."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.services import SERVICES
from tests.conftest import Engines
from tests.harness.peers.stripe import SECRET as STRIPE_SECRET
from tests.harness.peers.stripe import event, signed, subscription
from tests.harness.processes import client
from tests.harness.whole import Stores, Whole, whole
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

VERBS = ("get", "put", "post", "delete", "patch")
PASSWORD = "a long enough password"
NO_ERROR = {"RevokeSession": {"revoked": False, "confirmed": False}}
"""RPCs whose promise is that another's resource is no error: the same as one that never was."""


@dataclass
class Victim:
    """Somebody with one of everything."""

    browser: httpx.AsyncClient
    email: str
    ids: dict[str, str]

    async def everything(self) -> dict[str, Any]:
        """Return all that others must not change."""
        lists = [f"/v1/{name}" for name in ("sessions", "accounts", "notifications", "preferences")]
        routes = ("/v1/me", *lists, f"/v1/users/{self.ids['user_id']}")
        return {route: (await self.browser.get(route)).raise_for_status().json() for route in routes}


@dataclass(frozen=True)
class Attempt:
    """One request that aims at what is somebody else's."""

    rpc: str
    verb: str
    path: str
    body: str
    names_owner: bool

    def sent_to(self, victim: Victim) -> tuple[str, str, dict[str, Any]]:
        """Return method, path and the fields to send besides."""
        ids = victim.ids
        path = re.sub(r"{([\w.]+)}", lambda match: ids[match[1].replace(".", "_")], self.path)
        owner = {"userId": ids["user_id"]} if self.names_owner else {}
        return self.verb.upper(), path, {**owner, **body_of(self.rpc, ids)}


def body_of(rpc: str, ids: dict[str, str]) -> dict[str, Any]:
    """Return what the RPC needs besides the ids in its path."""
    bodies: dict[str, dict[str, Any]] = {
        "UpdateUser": {"name": "Mallory"},
        "CreateNotification": {"userId": ids["user_id"], "title": "from Mallory"},
        "BatchMarkRead": {"notificationIds": [ids["notification_id"]]},
        "RevokeOtherSessions": {"keepSessionId": ids["session_id"]},
        "SetUserRole": {"role": "ROLE_ADMIN"},
        "BanUser": {"reason": "by Mallory"},
        "SetPreference": {"userId": ids["user_id"], "type": "NOTIFICATION_TYPE_EMAIL", "enabled": True},
    }
    return bodies.get(rpc, {})


def attempts() -> Iterator[Attempt]:
    """Yield, for every RPC with a route, the request that names the victim and the one that only knows an id."""
    for process, services in SERVICES.items():
        policy = import_module(f"services.{process}.policy").POLICY
        for service in services:
            for method in service.methods:
                if f"{service.full_name}/{method.name}" in policy:  # else it is not served yet
                    yield from attempts_on(method)


def attempts_on(method: MethodDescriptor) -> Iterator[Attempt]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = next((verb for verb in VERBS if getattr(rule, verb)), "")
    if not verb:
        return
    path = str(getattr(rule, verb))
    if "user_id" in method.input_type.fields_by_name and "{user_id}" not in path:
        yield Attempt(method.name, verb, path, rule.body, names_owner=True)
    if "{" in path or "user_id" not in method.input_type.fields_by_name:
        yield Attempt(method.name, verb, path, rule.body, names_owner=False)


@pytest.fixture(scope="module")
def running(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("idor")
    stores = Stores(f"sqlite:///{folder / 'trivet.db'}", engine.get("secantusdb").url, engine.get("valkey").url)
    with whole(stores, TRIVET_STRIPE_WEBHOOK_SECRETS=STRIPE_SECRET) as processes:
        yield processes


@asynccontextmanager
async def signed_up(running: Whole, name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, headers={"origin": running.url}, timeout=10) as browser:
        person = {"name": name, "email": f"{name}@example.com", "password": PASSWORD}
        (await browser.post("/api/auth/sign-up/email", json=person)).raise_for_status()
        yield browser


@pytest.fixture(scope="module")
async def mallory(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_up(running, "mallory") as browser:
        yield browser


@pytest.fixture(scope="module")
async def victim(running: Whole) -> AsyncIterator[Victim]:
    async with signed_up(running, "victim") as browser, client(running["notifications"]) as channel:
        found = (await browser.get("/api/auth/get-session")).json()
        ids = {"user_id": found["user"]["id"], "session_id": found["session"]["id"]}
        request = CreateNotificationRequest(notification=Notification(user_id=ids["user_id"], title="for the victim"))
        ids["notification_id"] = (await NotificationServiceStub(channel).CreateNotification(request)).id
        ids["preference_topic"] = "news"
        no_news = {"type": "NOTIFICATION_TYPE_EMAIL", "enabled": False}
        (await browser.put("/v1/preferences/news", json=no_news)).raise_for_status()
        ids["account_id"] = (await browser.get("/v1/accounts")).raise_for_status().json()["accounts"][0]["id"]
        paid = event("customer.subscription.created", subscription(metadata={"userId": ids["user_id"]}))
        signature = {"stripe-signature": signed(paid, at=int(time())), "content-type": "application/json"}
        (await browser.post("/webhooks/stripe", content=paid, headers=signature)).raise_for_status()
        yield Victim(browser, "victim@example.com", ids)


@pytest.mark.parametrize(
    "attempt", [pytest.param(each, id=f"{each.rpc}{'-by-owner' * each.names_owner}") for each in attempts()]
)
async def test_nothing_of_another_can_be_read_changed_or_removed(
    mallory: httpx.AsyncClient, victim: Victim, attempt: Attempt
) -> None:
    """I6: 403 or 404 on every verb, and the victim's data is as it was."""
    before = await victim.everything()
    method, path, fields = attempt.sent_to(victim)
    sent = {"json": fields} if attempt.body else {"params": fields}
    answer = await mallory.request(method, path, **sent)  # type: ignore[arg-type]  # one of the two
    if attempt.rpc in NO_ERROR and not attempt.names_owner:
        assert (answer.status_code, answer.json()) == (200, NO_ERROR[attempt.rpc])
    else:
        assert answer.status_code in (403, 404), f"{method} {path} {fields}: {answer.status_code} {answer.text}"
    assert victim.email not in answer.text
    assert "for the victim" not in answer.text
    assert await victim.everything() == before


async def test_the_same_requests_of_the_owner_do_succeed(victim: Victim) -> None:
    """The refusals above are for whose it is: the paths and fields are right."""
    done = 0
    for attempt in attempts():
        method, path, fields = attempt.sent_to(victim)
        if method in ("GET", "PATCH", "PUT") or attempt.rpc in ("MarkRead", "BatchMarkRead", "MarkAllRead"):
            sent = {"json": fields} if attempt.body else {"params": fields}
            answer = await victim.browser.request(method, path, **sent)  # type: ignore[arg-type]  # one of the two
            assert answer.status_code in (200, 403), f"{method} {path} {fields}: {answer.text}"
            done += answer.status_code == 200
    assert done >= 10


async def test_the_victim_can_still_sign_in(victim: Victim, running: Whole) -> None:
    async with httpx.AsyncClient(base_url=running.url, headers={"origin": running.url}, timeout=10) as browser:
        body = {"email": victim.email, "password": PASSWORD}
        assert (await browser.post("/api/auth/sign-in/email", json=body)).status_code == 200
