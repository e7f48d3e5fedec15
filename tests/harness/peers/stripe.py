"""Events as Stripe sends them, signed as its own SDK signs them; and a server that sends them as Stripe does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from stripe import WebhookSignature

from tests.harness.child_processes import start
from tests.harness.ports import free_port
from tests.harness.waiting import eventually

SECRET = "whsec_of_the_tests_0123456789abcdef"
OLD_SECRET = "whsec_of_before_0123456789abcdef01"
API_KEY = "sk_test_of_the_tests_0123456789"
NOW = 1_772_366_400
"""2026-03-01T12:00:00Z, the time of the tests' clock, in Unix seconds."""


def signed(payload: bytes, secret: str = SECRET, at: int = NOW) -> str:
    """Return the Stripe-Signature header of a body."""
    return str(WebhookSignature.generate_signature_header(payload.decode(), secret, at))


def event(kind: str, told: dict[str, Any], *, event_id: str = "evt_1", created: int = NOW) -> bytes:
    """Return an event's body."""
    about = {"object": "event", "id": event_id, "type": kind, "created": created, "livemode": False}
    return json.dumps(about | {"api_version": "2026-10-28.endive", "data": {"object": told}}).encode()


def thin_event(kind: str, object_id: str, **changes: Any) -> bytes:
    """Return the body of an event that only names its object."""
    about = {"object": "v2.core.event", "id": "evt_1", "type": kind, "created": "2026-03-01T12:00:00.123Z"}
    related = {"id": object_id, "type": "subscription", "url": f"/v1/x/{object_id}"}
    return json.dumps(about | {"livemode": False, "context": None, "related_object": related} | changes).encode()


def subscription(status: str = "active", **changes: Any) -> dict[str, Any]:
    """Return a subscription in the shape of API versions since 2025-03-31."""
    price = {"id": "price_pro", "object": "price", "product": "prod_1", "lookup_key": None}
    item = {
        "id": "si_1",
        "quantity": 3,
        "price": price,
        "current_period_start": NOW,
        "current_period_end": NOW + 2_592_000,
    }
    own: dict[str, Any] = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status}
    own |= {
        "cancel_at_period_end": False,
        "cancel_at": None,
        "trial_end": None,
        "metadata": {},
        "items": {"object": "list", "data": [item]},
    }
    return own | changes


def old_subscription(status: str = "active", **changes: Any) -> dict[str, Any]:
    """Return a subscription as API versions had it before: the period beside the items, a plan in each of them."""
    item = {"id": "si_1", "quantity": 3, "plan": {"id": "plan_old", "product": "prod_1"}}
    period = {"current_period_start": NOW, "current_period_end": NOW + 2_592_000}
    return subscription(status) | period | {"items": {"data": [item]}} | changes


def checkout(user_id: str | None, **changes: Any) -> dict[str, Any]:
    """Return a checkout session that has been completed."""
    own = {"id": "cs_1", "object": "checkout.session", "mode": "subscription", "client_reference_id": user_id}
    return own | {"customer": "cus_1", "subscription": "sub_1", "metadata": {}} | changes


def invoice(**changes: Any) -> dict[str, Any]:
    """Return an invoice of a subscription, in the newer shape."""
    parent = {"type": "subscription_details", "subscription_details": {"subscription": "sub_1", "metadata": {}}}
    return {"id": "in_1", "object": "invoice", "customer": "cus_1", "parent": parent} | changes


@dataclass
class Stripe:
    """localstripe on this machine: a server that answers as Stripe's API does, and sends webhooks."""

    url: str
    client: httpx.Client

    def create(self, kind: str, **fields: str) -> dict[str, Any]:
        """Create an object of a kind, for example `customers`; a field of a field is named as in a form."""
        return self._answer(self.client.post(f"/v1/{kind}", data=fields))

    def end(self, subscription_id: str) -> dict[str, Any]:
        """Cancel a subscription at once."""
        return self._answer(self.client.delete(f"/v1/subscriptions/{subscription_id}"))

    def send_to(self, url: str, secret: str = SECRET) -> None:
        """Have events sent to an address, signed with a secret; each some second after it happened, once."""
        self.client.post("/_config/webhooks/tests", data={"url": url, "secret": secret}).raise_for_status()

    def _answer(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


# On loopback alone, and without the file in /tmp that it would share with every other one.
RUN = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""


@contextmanager
def localstripe() -> Iterator[Stripe]:
    """Run localstripe on a free port."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    running = start([sys.executable, "-c", RUN, str(port)], stdout=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=url, auth=(API_KEY, ""), timeout=10) as client:
            eventually(lambda: is_up(client), seconds=20)
            yield Stripe(url, client)
    finally:
        running.terminate()
        running.wait(10)


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/v1/customers").status_code == 200
    except httpx.TransportError:
        return False
