"""The row of each process: its state, version, uptime, rates and latencies."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.doctor.finding import Finding, Severity
from ops.stack.endpoints import Endpoints
from ops.status.reading import Reading
from ops.status.samples import Window
from runtime.rpc.interceptors import OUR_FAULT

UP, DEGRADED, FAILING, GONE = "up", "degraded", "failing", "gone"
STARTED_BY_US = "`trivet run` starts it again; if it stays away, see the output of `trivet run`"
STARTED_ELSEWHERE = "start it, or its container, and see its log; or correct TRIVET_METRICS_ADDRESSES"


@dataclass(frozen=True)
class ProcessRow:
    """One process. A number is None if it is not known. Rates and latencies are those since the last reading."""

    name: str
    address: str
    state: str
    version: str = ""
    uptime_seconds: float | None = None
    requests_per_second: float | None = None
    errors_per_second: float | None = None
    p50_seconds: float | None = None
    p99_seconds: float | None = None
    in_flight: float | None = None
    loop_lag_p99_seconds: float | None = None
    memory_bytes: float | None = None
    problem: str = ""
    remedy: str = ""


def process_rows(known: Endpoints, before: Reading | None, after: Reading) -> list[ProcessRow]:
    """Return a row for each process whose metrics or health are known, the gateway first."""
    names = dict.fromkeys((*sorted(known.metrics, key=_order), *after.health))
    return [_row(name, known, before, after) for name in names]


def windows(before: Reading | None, after: Reading) -> Iterator[tuple[str, Window]]:
    """Yield the two readings of each process that answers."""
    for name, samples in after.samples.items():
        if samples is not None:
            earlier = before.samples.get(name) if before else None
            seconds = after.monotonic - before.monotonic if before else 0.0
            yield name, Window(earlier, samples, max(seconds, 1e-3))


def _row(name: str, known: Endpoints, before: Reading | None, after: Reading) -> ProcessRow:
    address = known.metrics.get(name) or known.services.get(name) or known.url
    window = dict(windows(before, after)).get(name)
    finding = after.health.get(name)
    if window is None and (name in known.metrics or finding is not None):
        problem = finding.problem if finding else f"{name} does not answer at {address}"
        return ProcessRow(name, address, GONE, problem=problem, remedy=_remedy(known))
    problem, remedy = (finding.problem, finding.remedy) if finding else ("", "")
    if window is None:
        return ProcessRow(name, address, UP)
    requests, errors, latency = _sources(name)
    return ProcessRow(
        name,
        address,
        _state(finding),
        version=window.after.label("trivet_build_info", "version"),
        uptime_seconds=_uptime(window, after),
        requests_per_second=window.rate(requests),
        errors_per_second=_errors(window, requests, errors),
        p50_seconds=window.quantile(0.5, latency),
        p99_seconds=window.quantile(0.99, latency),
        in_flight=window.after.largest("trivet_http_in_flight" if _is_gateway(name) else "trivet_rpc_in_flight"),
        loop_lag_p99_seconds=window.quantile(0.99, "trivet_loop_lag_seconds"),
        memory_bytes=window.after.largest("process_resident_memory_bytes"),
        problem=problem,
        remedy=remedy,
    )


def _state(finding: Finding | None) -> str:
    if finding is None:
        return UP
    return FAILING if finding.severity is Severity.ERROR else DEGRADED


def _remedy(known: Endpoints) -> str:
    return STARTED_BY_US if known.is_running else STARTED_ELSEWHERE


def _is_gateway(name: str) -> bool:
    return name.partition("-")[0] == "gateway"


def _sources(name: str) -> tuple[str, str, str]:
    """Return the counter of requests, its label of outcomes, and the histogram of times."""
    if _is_gateway(name):
        return "trivet_http_requests_total", "status", "trivet_http_duration_seconds"
    return "trivet_rpc_handled_total", "code", "trivet_rpc_duration_seconds"


def _errors(window: Window, requests: str, label: str) -> float | None:
    """Return the rate of the outcomes that are our fault: 5xx, or the codes of a server's error."""
    if window.before is None:
        return None
    codes = {code.name for code in OUR_FAULT}
    outcomes = [code for code in window.after.by(requests, label) if code in codes or code.startswith("5")]
    return sum(window.count(requests, **{label: code}) for code in outcomes) / window.seconds


def _uptime(window: Window, after: Reading) -> float | None:
    started = window.after.largest("process_start_time_seconds")
    return max(0.0, after.at.timestamp() - started) if started else None


def _order(name: str) -> tuple[bool, str]:
    return not _is_gateway(name), name
