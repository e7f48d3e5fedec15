"""Every request leaves an entry in the logs, and none waits for it."""

import asyncio
import time

import httpx

from gateway.http.access_log import WRITE_SECONDS
from runtime.errors import Unavailable
from tests.api.gateway.conftest import Gateway, running
from tests.api.gateway.stand_ins import USER, USER_ID, StandIns, never
from tests.harness.waiting import in_time, until

CANARY = "canary7f3a9"


async def test_an_entry_says_who_asked_for_which_route_and_what_came_of_it(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await http.get("/v1/notifications/n1", headers={**USER, "x-request-id": "req-1"})
    await until(lambda: bool(services.log_entries("req-1")))
    (entry,) = services.log_entries("req-1")
    assert (entry.user_id, entry.endpoint, entry.method, entry.status) == (
        USER_ID, "/v1/notifications/{notification_id}", "GET", 200,
    )  # fmt: skip
    assert entry.duration_ms > 0
    assert entry.service == "gateway"
    assert entry.attributes["requestId"] == "req-1"
    assert abs(entry.timestamp.ToSeconds() - time.time()) < 10
    assert not services.last("WriteLogs").actor.is_person


async def test_an_entry_names_the_trace_of_the_caller(http: httpx.AsyncClient, services: StandIns) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-00", "x-request-id": "req-2"}
    await http.get("/v1/nowhere", headers=headers)
    await until(lambda: bool(services.log_entries("req-2")))
    assert services.log_entries("req-2")[0].trace_id == trace_id


async def test_probes_leave_no_entry(http: httpx.AsyncClient, services: StandIns) -> None:
    for path in ("/healthz", "/readyz", "/v1/nowhere"):
        await http.get(path, headers={"x-request-id": "req-3"})
    await until(lambda: bool(services.log_entries("req-3")))
    assert [entry.endpoint for entry in services.log_entries("req-3")] == ["unmatched"]


async def test_nothing_that_a_caller_wrote_reaches_entry_log_or_metric(gateway: Gateway) -> None:
    """I3, I4: a path, a query, a body or a header may hold a secret; templates and numbers do not."""
    http, headers = gateway.http, {**USER, "user-agent": CANARY, "cookie": f"a={CANARY}", "x-request-id": "req-4"}
    await http.get(f"/v1/notifications/{CANARY}?readMask={CANARY}", headers=headers)
    await http.get(f"/{CANARY}", headers={"authorization": f"Bearer {CANARY}", "x-request-id": "req-4"})
    await http.post(f"/v1/notifications/{CANARY}:markRead", headers=headers, json={CANARY: CANARY})
    await http.request(CANARY.upper(), "/v1/users", headers=headers)
    await until(lambda: len(gateway.services.log_entries("req-4")) == 4)
    assert CANARY not in str(gateway.services.log_entries("req-4")).lower()
    assert CANARY not in gateway.process.output().lower()
    async with httpx.AsyncClient() as metrics:
        text = (await metrics.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics")).text
    assert CANARY not in text.lower()


async def test_a_log_store_that_hangs_costs_no_request_any_time(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["WriteLogs"] = never
    answers = await asyncio.gather(*(http.get("/v1/notifications", headers=USER) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    # Less than the write that hangs is waited for.
    in_time(max(answer.elapsed.total_seconds() for answer in answers), 0, WRITE_SECONDS)


async def test_entries_that_are_lost_are_counted(stand_ins: StandIns) -> None:
    stand_ins.reset()
    stand_ins.answers["WriteLogs"] = Unavailable("STORE_UNAVAILABLE", "MongoDB is away")
    async with running(stand_ins) as gateway:
        for _ in range(5):
            await gateway.http.get("/v1/nowhere")

        async def all_counted() -> bool:
            return await gateway.metric("trivet_request_log_dropped_total") == 5

        await until(all_counted)


async def test_the_last_entries_are_written_before_the_process_ends(stand_ins: StandIns) -> None:
    stand_ins.reset()
    async with running(stand_ins) as gateway:
        await gateway.http.get("/v1/nowhere", headers={"x-request-id": "req-5"})
    assert len(stand_ins.log_entries("req-5")) == 1


async def test_requests_are_counted_by_route_and_status(gateway: Gateway) -> None:
    before = await gateway.metric("trivet_http_requests_total")
    await gateway.http.get("/v1/notifications/a", headers=USER)
    await gateway.http.get("/v1/notifications/b", headers=USER)
    assert await gateway.metric("trivet_http_requests_total") == before + 2
    async with httpx.AsyncClient() as metrics:
        text = (await metrics.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics")).text
    assert 'method="GET",route="/v1/notifications/{notification_id}",status="200"' in text
