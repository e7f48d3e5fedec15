"""Secrets are shown nowhere: a whole walk with secrets that are known, and then everything is searched for them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from runtime.ids import new_id, token_hash
from tests.conftest import Engines
from tests.harness.metrics import metrics_of
from tests.harness.peers.otlp import Receiver, receiving
from tests.harness.people import FAST_HASHING, browser, credentials, new_email, sign_in, sign_up
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole

LAST = "the-last-of-the-walk"


@dataclass
class Walk:
    """What a person sent and was given, and each answer that was an error."""

    password: str = field(default_factory=lambda: f"Password-{new_id()}")
    second: str = field(default_factory=lambda: f"Changed-{new_id()}")
    wrong: str = field(default_factory=lambda: f"Wrong-{new_id()}")
    made_up: str = field(default_factory=lambda: f"{new_id()}{new_id()}")
    tokens: set[str] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)
    mailed: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> set[str]:
        return {self.password, self.second, self.wrong, self.made_up, *self.tokens, *self.signatures, *self.mailed}

    def saw(self, answer: httpx.Response) -> httpx.Response:
        """Keep the secrets that an answer gave, and the whole of it if it was an error."""
        if answer.status_code >= 400:
            self.errors.append(f"{answer.headers}{answer.text}")
        for name, value in answer.cookies.items():
            token, _, signature = unquote(value).partition(".")
            if name.endswith("session_token") and token:
                self.tokens.add(token)
                self.signatures.add(signature)
        return answer

    async def take(self, url: str) -> None:
        """Sign up, in and out, change and mistake a password, revoke, use a bearer token, and send nonsense."""
        email = new_email()
        async with browser(url) as first, browser(url) as second:
            for client in (first, second):
                client.event_hooks["response"] = [self._read]
            assert (await sign_up(first, email, self.password)).status_code == 200
            assert (await sign_up(second, email, self.wrong)).status_code == 422
            assert (await sign_in(second, email, self.wrong)).status_code == 401
            assert (await sign_in(second, email, self.password)).status_code == 200
            change = {"currentPassword": self.wrong, "newPassword": self.second}
            assert (await first.post("/api/auth/change-password", json=change)).status_code == 400
            change["currentPassword"] = self.password
            assert (await first.post("/api/auth/change-password", json=change)).status_code == 200
            token = (await first.get("/api/auth/get-session")).json()["session"]["token"]
            await self._misuse(first, token)
            await first.post("/api/auth/revoke-session", json={"token": token})
            assert (await sign_in(first, email, self.second)).status_code == 200
            await self._follow_mail(first, email)
            await first.post("/api/auth/sign-out")

    async def _follow_mail(self, client: httpx.AsyncClient, email: str) -> None:
        """Reset the password, verify and change the address, and ask for a deletion: tokens in paths and in queries."""
        for path, body in (
            ("/request-password-reset", {"email": email, "redirectTo": "/reset"}),
            ("/send-verification-email", {"email": email}),
            ("/change-email", {"newEmail": new_email()}),
        ):
            assert (await client.post(f"/api/auth{path}", json=body)).status_code == 200

        async def mails() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await client.get("/dev/mailbox")).json()["messages"]
            return found

        async def three_mails() -> bool:
            return len(await mails()) == 3

        await until(three_mails, 10)
        for mail in await mails():
            parts = urlsplit(mail["links"][0])
            token = parse_qs(parts.query).get("token", [parts.path.rpartition("/")[2]])[0]
            self.mailed.add(token)
            for path in (parts.path, f"{parts.path}/{token}"):
                await client.get(f"{path}?{parts.query}")
            await client.get(f"/api/auth/delete-user/callback?token={token}")
            reset = {"newPassword": self.second, "token": token}
            await client.post(f"/api/auth/reset-password?token={token}", json=reset)

    async def _misuse(self, client: httpx.AsyncClient, token: str) -> None:
        """Send secrets where they do not belong: as bearer, in paths and queries, in bodies that nobody can read."""
        bearer = {"authorization": f"Bearer {token}"}
        assert (await client.get("/v1/me", headers=bearer)).status_code == 200
        await client.get("/v1/me", headers={"authorization": f"Bearer {self.made_up}", "cookie": ""})
        await client.get("/v1/me", headers={"cookie": f"better-auth.session_token={self.made_up}.{self.made_up}"})
        body = json.dumps(credentials("nobody@example.com", self.password))
        for odd in (body[:-1], f"[{body}]", body.replace(":", ":{", 1), body.encode("utf-16")):
            for path in ("/api/auth/sign-in/email", "/v1/notifications"):
                headers = {"content-type": "application/json"}
                assert (await client.post(path, content=odd, headers=headers)).status_code >= 400
        unknown = {"password": self.password, self.made_up: 1, "title": {"text": self.password}}
        assert (await client.post("/v1/notifications", json=unknown)).status_code == 400
        for path in (f"/v1/{token}", f"/v1/notifications/{token}", f"/v1/notifications?pageToken={self.made_up}"):
            assert (await client.get(path)).status_code >= 400
        for last in ({}, {"x-request-id": LAST}):
            await client.get(f"/v1/users?password={self.password}&token={token}", headers=last)

    async def _read(self, answer: httpx.Response) -> None:
        await answer.aread()
        self.saw(answer)


@dataclass
class Traces:
    """All that the walk has left anywhere but in the stores of accounts and sessions."""

    shown: dict[str, str]
    stored: dict[str, bytes]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as collector:
        yield collector


@pytest.fixture(scope="module")
def stores(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    mongodb = f"{engine.get('secantusdb').url}/canary_{new_id().lower()}"
    return Stores(f"sqlite:///{tmp_path_factory.mktemp('canary')}/trivet.db", mongodb, engine.get("valkey").url)


@pytest.fixture(scope="module")
def running(stores: Stores, receiver: Receiver) -> Iterator[Whole]:
    telling = {"TRIVET_LOG_LEVEL": "DEBUG", "TRIVET_TRACE_RATIO": "1", **receiver.environment()}
    with whole(stores, **FAST_HASHING, **telling) as processes:
        yield processes


@pytest.fixture(scope="module")
async def walk(running: Whole) -> Walk:
    walk = Walk()
    await walk.take(running.url)
    return walk


@pytest.fixture(scope="module")
async def traces(running: Whole, walk: Walk, stores: Stores, receiver: Receiver) -> Traces:
    async with AsyncMongoClient[dict[str, Any]](stores.mongodb) as mongodb, Redis.from_url(stores.redis) as redis:
        logs = mongodb.get_default_database()["logs"]

        async def the_last_is_there() -> bool:
            return LAST in str([entry async for entry in logs.find()])

        await until(the_last_is_there, 10)
        entries = str([entry async for entry in logs.find()])
        keys = [key async for key in redis.scan_iter()]
        cached = b"".join([key + (await redis.dump(key) or b"") for key in keys])
    shown = {f"output of {name}": process.output() for name, process in running.processes.items()}
    shown |= {f"metrics of {name}": await metrics_of(port) for name, port in running.metrics_ports.items()}
    shown |= {"log entries": entries, "errors": "\n".join(walk.errors), "spans": str(receiver.spans())}
    database = Path(stores.sql.removeprefix("sqlite:///"))
    rows = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
    return Traces(shown, {"SQL": rows, "Redis": cached})


def found_in(secrets: set[str], places: dict[str, str]) -> list[str]:
    """Return the places that hold a secret, whatever its case, each with the secret."""
    return [
        f"{secret} in {name}"
        for name, text in places.items()
        for secret in secrets
        if re.search(re.escape(secret), text, re.IGNORECASE)
    ]


async def test_no_secret_is_shown_anywhere(walk: Walk, traces: Traces) -> None:
    """I4: not in logs, spans, metrics, log entries or errors, though secrets stood in paths, queries and bad bodies."""
    assert len(walk.tokens) >= 3
    assert len(walk.mailed) == 3
    assert len(walk.errors) > 10
    assert found_in(walk.secrets, traces.shown) == []


async def test_the_search_finds_what_is_there(traces: Traces) -> None:
    """I4: so that finding nothing says something, each place holds what this walk alone has left."""
    assert f"{LAST.upper()} in log entries" in found_in({LAST.upper()}, traces.shown)
    places = found_in({"/v1/notifications/{notification_id}"}, traces.shown)
    assert {place.partition(" in ")[2] for place in places} >= {"spans", "log entries", "metrics of gateway"}
    assert found_in({"INVALID_EMAIL_OR_PASSWORD"}, traces.shown)


async def test_no_store_holds_a_secret(walk: Walk, traces: Traces) -> None:
    """S1: neither password nor token is in SQL or Redis; SHA-256 of a token is, which shows that the search finds."""
    for place, content in traces.stored.items():
        assert [secret for secret in walk.secrets if secret.encode() in content] == [], place
        assert any(token_hash(token).encode() in content for token in walk.tokens), place
