"""Stripe's API as a slow host: the event is applied, or ends at the limit and comes again."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.api.stripe.conftest import person
from tests.api.stripe.test_webhook import reason, send, told
from tests.harness.peers.stripe import API_KEY, SECRET
from tests.harness.people import FAST_HASHING
from tests.harness.waiting import taking
from tests.harness.whole import Stores, Whole, whole


class Slow:
    """Answers every GET with `found` after `seconds`, or at the test's end."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.found: dict[str, object] = {}
        self.released = threading.Event()
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                slow.released.wait(slow.seconds)
                body = json.dumps(slow.found).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # whoever asked has left

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving() -> Iterator[Slow]:
    slow = Slow()
    thread = threading.Thread(target=slow.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield slow
    finally:
        slow.released.set()
        slow.server.shutdown()
        slow.server.server_close()
        thread.join(5)


@pytest.fixture(scope="module")
def stripe() -> Iterator[Slow]:
    with serving() as slow:
        yield slow


@pytest.fixture(scope="module")
def running(stores: Stores, stripe: Slow) -> Iterator[Whole]:
    settings = {
        "TRIVET_STRIPE_WEBHOOK_SECRETS": SECRET,
        "TRIVET_STRIPE_PLANS": "price_pro=pro",
        "TRIVET_STRIPE_API_KEY": API_KEY,
        "TRIVET_STRIPE_API_BASE": stripe.url,
    }
    with whole(stores, "cache", "identity", "gateway", **settings, **FAST_HASHING) as processes:
        yield processes


async def test_an_event_is_applied_though_the_api_takes_three_seconds(running: Whole, stripe: Slow) -> None:
    async with person(running) as ann:
        stripe.found, stripe.seconds = ann.subscription("trialing"), 3.0
        began = time.monotonic()
        answer = await send(running, told(ann))
        assert (answer.status_code, answer.json()) == (200, {"applied": True})
        assert time.monotonic() - began >= 3.0
        assert await ann.is_shown("pro", "trialing")


async def test_an_api_that_takes_longer_than_the_limit_has_the_event_sent_again(running: Whole, stripe: Slow) -> None:
    async with person(running) as ann:
        stripe.found, stripe.seconds = ann.subscription(), 30.0
        with taking(4.5, 15):
            answer = await send(running, told(ann))
        assert answer.status_code == 503
        assert reason(answer) in ("TRY_AGAIN", "STRIPE_UNAVAILABLE")
        stripe.seconds = 0.0
        assert (await send(running, told(ann))).json() == {"applied": True}
