"""Alive and ready are two questions."""

import socket

import httpx
from google.protobuf.timestamp_pb2 import Timestamp

from runtime.errors import FailedPrecondition
from tests.api.gateway.conftest import running
from tests.api.gateway.stand_ins import StandIns
from trivet.notifications.v1.notification_service_pb2 import ListMailboxMessagesResponse, MailboxMessage


async def test_ready_names_each_service_and_store_with_its_milliseconds(http: httpx.AsyncClient) -> None:
    answer = await http.get("/readyz")
    assert answer.status_code == 200
    content = answer.json()
    assert content["status"] == "ok"
    assert set(content["services"]) == {"identity", "notifications", "cache"}
    for service in content["services"].values():
        assert service["state"] == service["store"]["state"] == "up"
        assert service["ms"] > 0
        assert service["store"]["ms"] > 0


async def test_a_store_that_is_away_is_told_from_its_service(http: httpx.AsyncClient, services: StandIns) -> None:
    services.stores_up = False
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "down"
    identity = answer.json()["services"]["identity"]
    assert (identity["state"], identity["store"]["state"]) == ("up", "down")
    assert (await http.get("/healthz")).status_code == 200


async def test_services_that_are_away_or_silent_are_down_within_the_probes_time(stand_ins: StandIns) -> None:
    """R36: liveness depends on nobody; readiness asks side by side, 1500 ms each."""
    stand_ins.reset()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = f"127.0.0.1:{silent.getsockname()[1]}"
        away = {"TRIVET_IDENTITY_ADDRESS": "127.0.0.1:1", "TRIVET_CACHE_ADDRESS": cache}
        states = await _states(stand_ins, **away)
    assert states == {"identity": "down", "notifications": "up", "cache": "down"}


async def _states(stand_ins: StandIns, **away: str) -> dict[str, str]:
    async with running(stand_ins, **away) as gateway:
        assert (await gateway.http.get("/healthz")).json() == {"status": "ok"}
        answer = await gateway.http.get("/readyz")
        assert answer.elapsed.total_seconds() < 2.5
        assert answer.status_code == 503
        return {name: service["state"] for name, service in answer.json()["services"].items()}


async def test_the_mailbox_shows_what_would_have_been_sent(http: httpx.AsyncClient, services: StandIns) -> None:
    kept = MailboxMessage(
        to="ada@x.io", subject="Hi", text="see", links=["https://x.io/a"], create_time=Timestamp(seconds=1_700_000_000)
    )
    services.answers["ListMailboxMessages"] = ListMailboxMessagesResponse(messages=[kept])
    answer = await http.get("/dev/mailbox")
    expected = {"to": "ada@x.io", "subject": "Hi", "text": "see", "html": "", "links": ["https://x.io/a"]}
    assert answer.json() == {"messages": [{**expected, "createdAt": "2023-11-14T22:13:20.000Z"}]}


async def test_a_mailbox_that_is_off_says_so(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["ListMailboxMessages"] = FailedPrecondition("MAILBOX_OFF", "mail is sent here")
    answer = await http.get("/dev/mailbox")
    assert answer.status_code == 400
