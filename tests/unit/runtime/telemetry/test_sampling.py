"""Who decides whether a trace is recorded, and what is no `traceparent`."""

import pytest

from ops.keys.pair_keys import CALLS
from runtime.telemetry.sampling import PROCESSES, Parent, Sampler, parent_of

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OF_A_PROGRAM = {"trivet-actor": "v1.billing.identity.1....mac"}
OF_OURS = {"trivet-actor": "v1.gateway.identity.1....mac"}


def parent(flags: str) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"}


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE_ID}-{SPAN_ID}-01", True),
        (f"00-{TRACE_ID}-{SPAN_ID}-00", False),
        (f"00-{TRACE_ID}-{SPAN_ID}-03", True),
        (f"00-{TRACE_ID}-{SPAN_ID}-02", False),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01", True),
        (f"cc-{TRACE_ID}-{SPAN_ID}-01-what-comes-later", True),
    ],
)
def test_a_parent_says_its_trace_and_whether_it_is_recorded(text: str, sampled: bool) -> None:
    assert parent_of(text) == Parent(TRACE_ID, SPAN_ID, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f" 00-{TRACE_ID}-{SPAN_ID}-01",
        f"cc-{TRACE_ID}-{SPAN_ID}-01more",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-0g",
    ],
)
def test_what_is_no_traceparent_is_no_parent(text: str) -> None:
    assert parent_of(text) is None


@pytest.mark.parametrize(("ratio", "chance", "begins"), [(0.01, 0.009, True), (0.01, 0.01, False), (0.0, 0.0, False)])
def test_one_number_decides_whether_a_trace_begins(ratio: float, chance: float, begins: bool) -> None:
    assert Sampler(ratio, chance=lambda: chance).begins() == begins


def test_all_are_begun_at_a_ratio_of_one() -> None:
    assert Sampler(1.0, chance=lambda: 0.9999999).begins()


@pytest.mark.parametrize("metadata", [OF_A_PROGRAM, OF_OURS])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_caller_who_tells_its_trace_has_decided(metadata: dict[str, str], ratio: float) -> None:
    sampler = Sampler(ratio)
    assert sampler.traces({**metadata, **parent("01")})
    assert not sampler.traces({**metadata, **parent("00")})


def test_one_of_our_processes_that_tells_no_trace_has_decided_against_one() -> None:
    assert not Sampler(1.0).traces(OF_OURS)
    assert Sampler(1.0).traces(OF_A_PROGRAM), "a program that knows nothing of traces has not"


def test_a_call_without_an_actor_makes_no_span_whatever_it_asks_for() -> None:
    assert not Sampler(1.0).traces(parent("01"))
    assert not Sampler(1.0).traces({})


def test_our_processes_are_those_that_share_keys() -> None:
    assert set(PROCESSES) == set(CALLS)
