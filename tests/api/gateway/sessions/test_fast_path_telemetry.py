"""What is told of session checks that were answered from memory: counts, entries in the request log, and traces."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from tests.api.gateway.sessions.session_scene import LONG_WAY, PATH, Scene, session
from tests.harness.spans import recorded


async def test_hits_are_counted_like_every_other_request(scene: Scene) -> None:
    handled = counted("trivet_http_requests_total", method="GET", route=PATH, status="200")
    await scene.check(**scene.cookie)
    await scene.check(**scene.cookie, **LONG_WAY)
    assert counted("trivet_http_requests_total", method="GET", route=PATH, status="200") == handled + 2


async def test_one_hit_in_a_hundred_enters_the_request_log_and_says_how_many_it_stands_for(scene: Scene) -> None:
    for _ in range(200):
        await scene.check(**scene.cookie, x_request_id="hit")
    await scene.deps.access_log.drain(5)
    first, second = scene.services.log_entries("hit")
    assert (first.endpoint, first.status, first.user_id) == (PATH, 200, session().user.id)
    assert first.attributes["sampledEvery"] == second.attributes["sampledEvery"] == 100


@pytest.mark.parametrize("scene", [{"log_hits_every": "1"}], indirect=True)
async def test_at_one_every_hit_enters_the_request_log(scene: Scene) -> None:
    """The sampling off."""
    for _ in range(101):
        await scene.check(**scene.cookie, x_request_id="hit")
    await scene.deps.access_log.drain(5)
    assert len(scene.services.log_entries("hit")) == 101


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    return recorded(monkeypatch)


@pytest.mark.parametrize(("scene", "spans"), [({"trace_ratio": "0"}, 0), ({"trace_ratio": "1"}, 3)], indirect=["scene"])
async def test_a_hit_is_traced_if_it_was_chosen_and_once(
    exporter: InMemorySpanExporter, scene: Scene, spans: int
) -> None:
    exporter.clear()
    answers = [await scene.check(**scene.cookie) for _ in range(3)]
    assert [span.name for span in exporter.get_finished_spans()] == [f"GET {PATH}"] * spans
    assert ["traceparent" in answer.headers for answer in answers] == [spans > 0] * 3
    for span, answer in zip(exporter.get_finished_spans(), answers, strict=False):
        assert span.context is not None
        told = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"
        assert (answer.headers["traceparent"], span.parent, span.kind) == (told, None, SpanKind.SERVER)
        assert span.attributes == {
            "http.request.method": "GET",
            "http.route": PATH,
            "http.response.status_code": 200,
        }
    assert "Get" not in scene.calls


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
