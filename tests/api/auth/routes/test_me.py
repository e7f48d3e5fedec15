"""GET /v1/me: user, session, subscription and unread count side by side, and what is said of a part that is missing."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from time import time

import httpx
import pytest
from redis import Redis

from runtime.ids import new_id
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, new_email, running_site, wait_until
from tests.conftest import Engines
from tests.harness.peers.stripe import SECRET, event, signed, subscription
from tests.harness.processes import Process, client, process
from tests.harness.waiting import until
from trivet.identity.v1.subscription_service_pb2 import ApplyStripeEventRequest
from trivet.identity.v1.subscription_service_pb2_grpc import SubscriptionServiceStub
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub


@dataclass
class Whole:
    """A site with notifications, and a gateway before all three."""

    site: Site
    notifications: Process
    gateway: Process

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{self.gateway.address}", headers={"origin": ORIGIN})


@pytest.fixture(scope="module")
def breakable(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    mongodb, valkey = engine.get("secantusdb").url, engine.get("valkey").url
    folder = tmp_path_factory.mktemp("whole")
    stripe = {"TRIVET_STRIPE_WEBHOOK_SECRETS": SECRET}
    with (
        running_site(folder, valkey, **stripe) as site,
        process("notifications", MONGODB_URI=mongodb, TRIVET_CACHE_ADDRESS=site.cache.address) as notifications,
    ):
        address = notifications.address
        with site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_NOTIFICATIONS_ADDRESS=address) as gateway:
            yield Whole(site, notifications, gateway)


@pytest.fixture
def whole(breakable: Whole) -> Iterator[Whole]:
    """What a test may break, whole again afterwards."""
    yield breakable
    breakable.site.restore()
    breakable.notifications.restore()
    wait_until(lambda: is_ready(breakable.gateway))
    with httpx.Client(base_url=f"http://{breakable.gateway.address}", headers={"origin": ORIGIN}) as browser:
        body = {"name": "Ann", "email": new_email(), "password": PASSWORD}
        browser.post("/api/auth/sign-up/email", json=body).raise_for_status()
        # Its channel to a service that was killed waits before it connects again.
        wait_until(lambda: browser.get("/v1/me").json()["missing"] == [], seconds=30)


async def all_cached(whole: Whole, browser: httpx.AsyncClient) -> bool:
    """Whether session, profile and subscription of the newest person are in the cache."""
    user_id = (await browser.get("/v1/me")).json()["user"]["id"]
    await browser.get("/v1/me")
    with Redis.from_url(whole.site.redis_url) as redis:
        keys = [key for key in redis.scan_iter() if user_id.encode() in key]
    return all(any(f":{name}:".encode() in key for key in keys) for name in ("profiles", "subscriptions"))


def is_ready(gateway: Process) -> bool:
    """Whether identity answers now; /readyz may say what was so a second ago."""
    unknown = {"authorization": f"Bearer {new_id()}"}
    return httpx.get(f"http://{gateway.address}/v1/me", headers=unknown).status_code == 401


async def sign_up(browser: httpx.AsyncClient) -> str:
    body = {"name": "Ann", "email": new_email(), "password": PASSWORD}
    return str((await browser.post("/api/auth/sign-up/email", json=body)).json()["user"]["id"])


async def test_it_composes_user_session_and_unread_count(whole: Whole) -> None:
    async with whole.browser() as browser, client(whole.notifications) as channel:
        user_id = await sign_up(browser)
        notification = Notification(user_id=user_id, title="Hello")
        await NotificationServiceStub(channel).CreateNotification(CreateNotificationRequest(notification=notification))
        answer = await browser.get("/v1/me")
        me = answer.json()
    assert answer.status_code == 200
    assert (me["user"]["id"], me["user"]["name"], me["session"]["userId"]) == (user_id, "Ann", user_id)
    assert (me["subscription"], me["unreadCount"], me["missing"]) == (None, 1, [])
    assert "token" not in me["session"]


async def test_the_count_is_read_from_memory_and_right_after_every_change(whole: Whole) -> None:
    """R16: a hit is no call to the service, and what a change has made of the count shows as soon as it is made."""
    async with whole.browser() as browser, client(whole.notifications) as channel:
        user_id = await sign_up(browser)
        stub = NotificationServiceStub(channel)
        for number in range(1, 4):
            request = CreateNotificationRequest(notification=Notification(user_id=user_id, title="Hello"))
            await stub.CreateNotification(request)
            for path, name in (("/v1/me", "unreadCount"), ("/v1/notifications:countUnread", "unreadCount")):
                assert (await browser.get(path)).json()[name] == number
        await until(lambda: is_held(browser, whole.notifications), 30)
        assert (await browser.post("/v1/notifications:markAllRead", json={})).json()["updatedCount"] == 3
        assert (await browser.get("/v1/notifications:countUnread")).json()["unreadCount"] == 0


async def is_held(browser: httpx.AsyncClient, notifications: Process) -> bool:
    """Whether the count is answered while the service that counts cannot."""
    await browser.get("/v1/notifications:countUnread")
    notifications.signal(signal.SIGSTOP)
    try:
        return bool((await browser.get("/v1/me")).json()["unreadCount"] == 3)
    finally:
        notifications.signal(signal.SIGCONT)


async def test_without_notifications_the_count_is_missing_and_the_rest_is_there(whole: Whole) -> None:
    async with whole.browser() as browser:
        user_id = await sign_up(browser)
        whole.notifications.kill()
        answer = await browser.get("/v1/me")
    me = answer.json()
    assert answer.status_code == 200
    assert (me["user"]["id"], me["unreadCount"], me["missing"]) == (user_id, None, ["unreadCount"])


async def test_without_identity_a_session_seen_lately_keeps_what_others_know(whole: Whole) -> None:
    async with whole.browser() as browser:
        user_id = await sign_up(browser)
        await browser.get("/api/auth/get-session")  # now it is cached, and the profile is not
        whole.site.identity.kill()
        me = (await browser.get("/v1/me")).json()
    assert (me["user"], me["session"]["userId"], me["unreadCount"]) == (None, user_id, 0)
    assert (me["subscription"], me["missing"]) == (None, ["user", "subscription"])


async def test_that_there_is_no_subscription_is_cached_too(whole: Whole) -> None:
    """It is so for most people, and asking for them costs no statement in SQL."""
    async with whole.browser() as browser:
        await sign_up(browser)
        await until(lambda: all_cached(whole, browser))
        whole.site.identity.signal(signal.SIGSTOP)
        me = (await browser.get("/v1/me")).json()
    assert (me["subscription"], me["missing"]) == (None, [])


async def test_the_subscription_is_shown_as_its_own_route_has_it(whole: Whole) -> None:
    async with whole.browser() as browser, client(whole.site.identity) as channel:
        user_id = await sign_up(browser)
        assert (await browser.get("/v1/me")).json()["subscription"] is None
        body = event(
            "customer.subscription.created",
            subscription("trialing", metadata={"user_id": user_id}),
            created=int(time()),
        )
        request = ApplyStripeEventRequest(payload=body, signature=signed(body, at=int(time())))
        assert (await SubscriptionServiceStub(channel).ApplyStripeEvent(request)).applied
        me = (await browser.get("/v1/me")).json()
        assert me["subscription"] == (await browser.get("/v1/users/me/subscription")).json()
    assert (me["subscription"]["plan"], me["subscription"]["status"], me["missing"]) == ("price_pro", "trialing", [])


async def test_when_nobody_can_tell_who_asks_it_is_503(whole: Whole) -> None:
    async with whole.browser() as browser:
        await sign_up(browser)
        whole.site.identity.kill()
        answer = await browser.get("/v1/me")
    assert (answer.status_code, answer.json()["error"]["status"]) == (503, "UNAVAILABLE")


async def test_a_stranger_is_told_to_sign_in(whole: Whole) -> None:
    async with whole.browser() as browser:
        answer = await browser.get("/v1/me")
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
