"""Alive and ready are two questions."""

import asyncio
import socket
import time

import httpx
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.readiness import PROBE_SECONDS, SHARED_SECONDS
from ops.keys.pair_keys import pair_key
from runtime.errors import FailedPrecondition, Unavailable
from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import SERVED, StandIns, never
from tests.harness.processes import SECRET
from tests.harness.waiting import until
from trivet.notifications.v1.mailbox_service_pb2 import ListMailboxMessagesResponse, MailboxMessage


async def readiness(gateway: Gateway) -> tuple[int, str, list[str]]:
    answer = await gateway.http.get("/readyz")
    return answer.status_code, answer.json()["status"], answer.json()["degraded"]


async def test_a_gateway_whose_stack_is_whole_is_ready_and_the_body_has_no_details(gateway: Gateway) -> None:
    async def is_whole() -> bool:
        return await readiness(gateway) == (200, "ok", [])

    await until(is_whole, 10)
    assert set((await gateway.http.get("/readyz")).json()) == {"status", "degraded"}
    probe = gateway.services.last("VerifySession")
    assert (probe.actor.caller, probe.actor.is_person) == ("gateway", False), "the call is signed"


async def test_a_store_that_is_away_costs_its_own_part_and_no_gateway(gateway: Gateway) -> None:
    """Stores of cache and notifications are away; identity's answers, so a balancer keeps every gateway."""
    gateway.services.stores_up = False

    async def is_told() -> bool:
        return await readiness(gateway) == (200, "degraded", ["notifications", "cache"])

    await until(is_told, 10)
    # The details are on the metrics port: the services live, two of the stores do not.
    assert await gateway.metric('trivet_gateway_part_up{part="service",service="cache"}') == 1
    assert await gateway.metric('trivet_gateway_part_up{part="store",service="cache"}') == 0
    assert await gateway.metric('trivet_gateway_part_up{part="store",service="identity"}') == 1


async def test_without_identitys_store_nobody_can_sign_in_and_no_gateway_is_ready(gateway: Gateway) -> None:
    gateway.services.answers["VerifySession"] = Unavailable("STORE_UNAVAILABLE", "the store does not answer")

    async def is_told() -> bool:
        return await readiness(gateway) == (503, "down", ["identity"])

    await until(is_told, 10)
    assert await gateway.metric('trivet_gateway_part_up{part="service",service="identity"}') == 1
    assert await gateway.metric('trivet_gateway_part_up{part="store",service="identity"}') == 0
    assert (await gateway.http.get("/healthz")).json() == {"status": "ok"}


async def test_services_that_refuse_our_signature_are_told_though_their_health_is_good(stand_ins: StandIns) -> None:
    """As those of another stack do, or where a key was changed in one place."""
    stand_ins.reset()
    keys = {name: pair_key(SECRET, "gateway" if name == "identity" else "another", name).hex() for name in SERVED}
    wrong = {"TRIVET_CALL_KEYS": ",".join(f"{name}={key}" for name, key in keys.items())}
    async with running(stand_ins, **wrong) as gateway:

        async def is_told() -> bool:
            return await readiness(gateway) == (200, "degraded", ["notifications", "cache"])

        await until(is_told, 10)


async def test_one_result_is_shared_for_a_second(gateway: Gateway) -> None:

    def probes() -> int:
        return sum(call.name == "VerifySession" for call in gateway.services.calls)

    began, before, asked = time.monotonic(), probes(), 0
    while time.monotonic() - began < 2 * SHARED_SECONDS:
        await asyncio.gather(*(gateway.http.get("/readyz") for _ in range(20)))
        asked += 20
    took = time.monotonic() - began
    assert 1 <= probes() - before <= 1 + took / SHARED_SECONDS
    assert asked > 3 * (probes() - before)


async def test_services_that_are_away_or_silent_are_told_within_the_probes_time(stand_ins: StandIns) -> None:
    """R36: liveness depends on nobody; readiness asks side by side, 1500 ms each."""
    stand_ins.reset()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        away = {"TRIVET_NOTIFICATIONS_ADDRESS": "127.0.0.1:1", "TRIVET_CACHE_ADDRESS": address}
        async with running(stand_ins, **away) as gateway:
            assert await readiness(gateway) == (200, "degraded", ["notifications", "cache"])
        stand_ins.answers["VerifySession"] = never
        async with running(stand_ins) as gateway:
            began = time.monotonic()
            assert await readiness(gateway) == (503, "down", ["identity"])
            assert 0.9 * PROBE_SECONDS < time.monotonic() - began < 4 * PROBE_SECONDS
            assert (await gateway.http.get("/healthz")).status_code == 200


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
