"""People whose subscriptions Stripe tells of, at stacks of one module."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import Engines
from tests.harness.peers.stripe import subscription
from tests.harness.people import browser, new_email, sign_up
from tests.harness.whole import Stores, Whole

WEBHOOK = "/webhooks/stripe"


@dataclass
class Person:
    """Somebody signed in, and what Stripe calls what is theirs."""

    browser: httpx.AsyncClient
    user_id: str

    def subscription(self, status: str = "active", **changes: Any) -> dict[str, Any]:
        own = {"id": f"sub_{self.user_id}", "customer": f"cus_{self.user_id}", "metadata": {"userId": self.user_id}}
        return subscription(status, **own | changes)

    async def mine(self) -> dict[str, Any] | None:
        """Return the subscription as /v1/me has it."""
        me = (await self.browser.get("/v1/me")).raise_for_status().json()
        assert "subscription" not in me["missing"]
        found: dict[str, Any] | None = me["subscription"]
        return found

    async def shown(self) -> dict[str, Any] | None:
        """Return it as both routes have it, where nothing changes it meanwhile."""
        found, own = await self.mine(), await self.browser.get("/v1/users/me/subscription")
        assert own.status_code == (200 if found else 404)
        assert found is None or own.json() == found
        return found

    async def is_shown(self, plan: str, status: str) -> bool:
        found = await self.mine()
        return found is not None and (found["plan"], found["status"]) == (plan, status)


@asynccontextmanager
async def person(running: Whole) -> AsyncIterator[Person]:
    async with browser(running.url) as client:
        answer = (await sign_up(client, new_email())).raise_for_status()
        yield Person(client, answer.json()["user"]["id"])


@pytest.fixture(scope="module")
def stores(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return Stores(f"sqlite:///{tmp_path_factory.mktemp('stripe') / 'trivet.db'}", "", engine.get("valkey").url)
