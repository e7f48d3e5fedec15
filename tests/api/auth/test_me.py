"""GET /v1/me: user, session and unread count side by side, and what is said of a part that is missing."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, new_email, running_site, wait_until
from tests.conftest import Engines
from tests.harness.processes import Process, client, process
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
    with running_site(folder, valkey) as site, process("notifications", MONGODB_URI=mongodb) as notifications:
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


def is_ready(gateway: Process) -> bool:
    return httpx.get(f"http://{gateway.address}/readyz").status_code == 200


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
    assert (me["unreadCount"], me["missing"]) == (1, [])
    assert "token" not in me["session"]


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
    assert me["missing"] == ["user"]


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
