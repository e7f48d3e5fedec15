"""One trace from the HTTP request to each store call, one place for the numbers of each process."""

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Engines
from tests.harness.peers.otlp import Receiver, Span, receiving, tree
from tests.harness.processes import client, process
from tests.harness.waiting import taking
from tests.harness.whole import SERVICES, Stores, Whole, whole
from trivet.cache.v1.cache_pb2 import GetRequest
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.notifications.v1.log_service_pb2 import QueryLogsRequest
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceStub
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

PERSON = {"name": "Ada", "email": "ada@example.com", "password": "a long enough password"}
STORES = {"identity": "sqlite", "notifications": "mongodb", "cache": "redis"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as collector:
        yield collector


@pytest.fixture(scope="module")
def stores(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder: Path = tmp_path_factory.mktemp("telemetry")
    return Stores(f"sqlite:///{folder / 'trivet.db'}", engine.get("secantusdb").url, engine.get("valkey").url)


@pytest.fixture(scope="module")
def running(stores: Stores, receiver: Receiver) -> Iterator[Whole]:
    with whole(stores, TRIVET_TRACE_RATIO="1", **receiver.environment()) as processes:
        yield processes


@pytest.fixture(scope="module")
async def browser(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in."""
    async with httpx.AsyncClient(base_url=running.url, headers={"origin": running.url}, timeout=10) as browser:
        (await browser.post("/api/auth/sign-up/email", json=PERSON)).raise_for_status()
        yield browser


class Parent:
    """A caller with a trace of its own."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.trace_id, self.span_id = secrets.token_hex(16), secrets.token_hex(8)
        self.headers = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{'01' if sampled else '00'}"}


class Complete:
    """Whether a trace holds these spans, the parent of each of its spans and the server's side of each call."""

    def __init__(self, *names: str, parent: Parent) -> None:
        self._names, self._outside = set(names), parent.span_id

    def __call__(self, spans: list[Span]) -> bool:
        ids = {span.span_id for span in spans} | {self._outside}
        calls = {span.span_id for span in spans if span.kind == "client" and span.name.startswith("trivet.")}
        answered = {span.parent_id for span in spans if span.kind == "server"}
        whole_above, whole_below = all(span.parent_id in ids for span in spans), calls <= answered
        return self._names <= {span.name for span in spans} and whole_above and whole_below


def one(spans: list[Span], name: str, kind: str) -> Span:
    (found,) = [span for span in spans if (span.name, span.kind) == (name, kind)]
    return found


def assert_well_formed(spans: list[Span], root: Span) -> None:
    """Each server span but the root is below another process's client span, and everything else in its own process."""
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span is root:
            continue
        parent = by_id[span.parent_id]
        if span.kind == "server":
            assert (parent.kind, parent.name) == ("client", span.name), tree(spans)
            assert parent.service != span.service, tree(spans)
        else:
            assert parent.service == span.service, tree(spans)


def store_spans(spans: list[Span], below: Span) -> list[Span]:
    """Return the store calls of the process whose server span is `below`."""
    system = STORES[below.service]
    return [span for span in spans if span.service == below.service and span.name.startswith(f"{system} ")]


async def test_a_sign_in_is_one_tree_from_the_request_to_the_database(
    browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    """2.8: HTTP server span by its route's template, client span, server span, store span; one trace."""
    parent, rpc = Parent(), "trivet.identity.v1.AuthService/SignIn"
    answer = await browser.post("/api/auth/sign-in/email", json=PERSON, headers=parent.headers)
    assert answer.status_code == 200
    spans = receiver.wait_for(Complete(rpc, parent=parent), parent.trace_id)
    root = one(spans, "POST /api/auth/sign-in/email", "server")
    assert (root.service, root.parent_id) == ("gateway", parent.span_id)
    called, served = one(spans, rpc, "client"), one(spans, rpc, "server")
    assert (called.service, served.service) == ("gateway", "identity")
    assert served.attributes["rpc.grpc.status_code"] == "0"
    assert store_spans(spans, served), tree(spans)
    assert_well_formed(spans, root)
    assert answer.headers["traceparent"].split("-")[1] == parent.trace_id


async def test_a_notification_list_is_one_tree_through_three_services(
    running: Whole, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    """2.8: the session by way of the cache, the page by way of MongoDB; one trace."""
    user_id = (await browser.get("/api/auth/get-session")).json()["user"]["id"]
    async with client(running["notifications"]) as channel:
        notification = Notification(user_id=user_id, title="hello")
        await NotificationServiceStub(channel).CreateNotification(CreateNotificationRequest(notification=notification))
    parent, rpc = Parent(), "trivet.notifications.v1.NotificationService/ListNotifications"
    answer = await browser.get("/v1/notifications", params={"page_size": 20}, headers=parent.headers)
    assert [each["title"] for each in answer.json()["notifications"]] == ["hello"]
    spans = receiver.wait_for(Complete(rpc, parent=parent), parent.trace_id)
    root = one(spans, "GET /v1/notifications", "server")
    assert root.parent_id == parent.span_id
    for name in (rpc, "trivet.cache.v1.CacheService/Get"):
        served = next(span for span in spans if (span.name, span.kind) == (name, "server"))
        assert store_spans(spans, served), tree(spans)
    assert_well_formed(spans, root)


async def test_a_request_without_a_parent_begins_a_trace_and_tells_it(
    browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    answer = await browser.get("/api/auth/ok")
    _, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert int(flags, 16) & 1, "sampled"
    spans = receiver.wait_for(lambda spans: any(each.span_id == span_id for each in spans), trace_id)
    span = one(spans, "GET /api/auth/ok", "server")
    assert (span.name, span.span_id, span.parent_id) == ("GET /api/auth/ok", span_id, "")


async def test_an_identifier_in_a_path_stays_out_of_the_spans_name(
    browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    parent = Parent()
    await browser.get("/v1/notifications/hunter2hunter2", headers=parent.headers)
    name = "GET /v1/notifications/{notification_id}"
    spans = receiver.wait_for(Complete(name, parent=parent), parent.trace_id)
    assert not any("hunter2" in f"{span.name} {span.attributes}" for span in spans)


async def test_under_an_unsampled_parent_no_process_records_anything(
    browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    """2.8."""
    unsampled, later = Parent(sampled=False), Parent()
    for parent in (unsampled, later):
        assert (await browser.get("/v1/notifications", headers=parent.headers)).status_code == 200
    rpc = "trivet.notifications.v1.NotificationService/ListNotifications"
    receiver.wait_for(Complete(rpc, "GET /v1/notifications", parent=later), later.trace_id)
    assert receiver.spans(unsampled.trace_id) == []


async def test_what_the_gateway_does_not_sample_no_service_records(
    running: Whole, browser: httpx.AsyncClient, receiver: Receiver, stores: Stores
) -> None:
    """The root decides: the services, which would begin a trace of every call, are told of none and begin none."""
    addresses = {f"TRIVET_{name.upper()}_ADDRESS": running[name].address for name in SERVICES}
    known = {span.trace_id for span in receiver.spans()}
    given = {**addresses, **receiver.environment(), "TRIVET_TRACE_RATIO": "0", "TRIVET_BASE_URL": running.url}
    with whole(stores, "gateway", **given) as second:
        later = Parent()
        for headers in ({}, {}, later.headers):
            url = f"{second.url}/v1/notifications"
            assert (await browser.get(url, headers=headers)).status_code == 200
    receiver.wait_for(Complete("GET /v1/notifications", parent=later), later.trace_id)
    assert {span.trace_id for span in receiver.spans()} - known == {later.trace_id}


async def test_what_is_logged_of_a_request_names_its_trace(
    running: Whole, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    parent = Parent()
    await browser.get("/v1/notifications", headers=parent.headers)
    async with client(running["notifications"]) as channel:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = await LogServiceStub(channel).QueryLogs(QueryLogsRequest(endpoint="/v1/notifications"))
            if parent.trace_id in {entry.trace_id for entry in found.entries}:
                return
    raise AssertionError("no log entry names the trace")


async def test_the_exporters_own_calls_are_not_traced(browser: httpx.AsyncClient, receiver: Receiver) -> None:
    """Else each batch would make the next."""
    parent = Parent()
    await browser.get("/api/auth/get-session", headers=parent.headers)
    receiver.wait_for(bool, parent.trace_id)
    assert not any("opentelemetry" in span.name or "Export" in span.name for span in receiver.spans())


def metrics(running: Whole, name: str) -> dict[str, float]:
    """Return the samples that a process serves, by name and labels."""
    text = httpx.get(f"http://127.0.0.1:{running.metrics_ports[name]}/metrics").raise_for_status().text
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("name", SERVICES)
async def test_each_service_counts_its_rpcs_and_times_them_and_its_store(
    running: Whole, browser: httpx.AsyncClient, name: str
) -> None:
    """2.8: count, errors and latency per RPC; store latency."""
    (await browser.get("/v1/notifications")).raise_for_status()
    found = "\n".join(metrics(running, name))
    for family in (
        "trivet_rpc_handled_total",
        "trivet_rpc_duration_seconds_bucket",
        "trivet_rpc_in_flight",
        "trivet_store_duration_seconds_bucket",
        "trivet_log_lines_dropped_total",
    ):
        assert family in found
    assert f"('system', '{STORES[name]}')" in found


# The cache has no pool: it sends all commands over connections that are always open.
@pytest.mark.parametrize("name", ["identity", "notifications"])
def test_each_service_tells_how_much_of_its_pool_is_used(running: Whole, browser: httpx.AsyncClient, name: str) -> None:
    """2.8: pool use."""
    found = metrics(running, name)
    label = f"[('system', '{STORES[name]}')]"
    assert found[f"trivet_store_pool_in_use{label}"] <= found[f"trivet_store_pool_size{label}"] > 0


async def test_the_cache_counts_hits_and_misses_by_namespace(running: Whole, browser: httpx.AsyncClient) -> None:
    """2.8."""
    for _ in range(2):
        (await browser.get("/v1/notifications")).raise_for_status()
    found = metrics(running, "cache")
    assert found["trivet_cache_hits_total[('namespace', 'sessions')]"] > 0
    assert found["trivet_cache_misses_total[('namespace', 'sessions')]"] > 0


async def test_the_gateway_counts_and_times_by_route_and_counts_what_its_log_drops(
    running: Whole, browser: httpx.AsyncClient
) -> None:
    """2.8: no path of a caller's making becomes a label."""
    await browser.get("/v1/notifications/hunter2hunter2")
    await browser.get("/nothing/hunter2")
    found = metrics(running, "gateway")
    text = "\n".join(found)
    assert "hunter2" not in text
    assert "'/v1/notifications/{notification_id}'" in text
    for family in ("trivet_http_requests_total", "trivet_http_duration_seconds_bucket", "dropped_total"):
        assert family in text


async def test_a_collector_that_is_away_keeps_no_process_from_ending(engine: Engines) -> None:
    """R10: what is left to send is given up after a second."""
    gone = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
    with process("cache", REDIS_URL=engine.get("valkey").url, **gone) as cache:  # type: ignore[arg-type]  # only texts
        async with client(cache) as channel:
            await CacheServiceStub(channel).Get(GetRequest(namespace="any", key="any"))
        with taking(0, 9):  # the exporter itself would try for ten
            assert cache.end() == 0
