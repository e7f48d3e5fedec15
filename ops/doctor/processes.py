"""Whether the gateway and the services answer, and what their metrics say of clocks and open files."""

from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
from grpc import StatusCode, aio
from prometheus_client.parser import text_string_to_metric_families

from ops.doctor import clocks, file_limits
from ops.doctor.finding import Finding, error, warning
from ops.stack.processes.probes import health_serves
from runtime.clock import Clock

CHECK = "processes"
TIMEOUT_SECONDS = 1.5
START = "start it (`trivet run`, or its container), or correct {setting}"


async def service(name: str, address: str) -> list[Finding]:
    """Check the health of a gRPC service."""
    setting = f"TRIVET_{name.upper()}_ADDRESS"
    try:
        serves = await health_serves(address, TIMEOUT_SECONDS)
    except aio.AioRpcError as failure:
        what = f"{name} at {address} does not answer ({failure.code().name})"
        if failure.code() is StatusCode.DEADLINE_EXCEEDED:
            return [error(CHECK, what, "it hangs, or the network does: see its log and its load, then restart it")]
        return [error(CHECK, what, START.format(setting=setting))]
    if not serves:
        remedy = "see the findings about its store, and its log"
        return [error(CHECK, f"{name} at {address} serves no calls: it waits for its store", remedy)]
    return []


async def gateway(url: str) -> list[Finding]:
    """Check /readyz of the gateway."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=True) as client:
        try:
            answer = await client.get(f"{url}/readyz")
        except httpx.HTTPError as failure:
            what = f"the gateway at {url} does not answer ({type(failure).__name__})"
            return [error(CHECK, what, START.format(setting="TRIVET_BASE_URL"))]
    if answer.status_code != httpx.codes.OK:
        what = f"the gateway at {url} answers {answer.status_code} at /readyz"
        return [error(CHECK, what, "see the findings about identity; a gateway that drains is about to end")]
    try:
        degraded = ", ".join(answer.json().get("degraded", ()))
    except ValueError:
        return [error(CHECK, f"{url}/readyz is not Trivet's", "correct TRIVET_BASE_URL, or the proxy in front")]
    if degraded:
        return [warning(CHECK, f"the gateway works without {degraded}", "see the findings about them")]
    return []


async def metrics(name: str, address: str, now: Clock) -> list[Finding]:
    """Check a process's clock and its open files by its /metrics."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        compared = clocks.Comparison(now)
        try:
            answer = await client.get(f"http://{address}/metrics")
        except httpx.HTTPError as failure:
            what = f"the metrics of {name} at {address} do not answer ({type(failure).__name__})"
            return [error(CHECK, what, "start it, or correct TRIVET_METRICS_ADDRESSES")]
    return [*_clock(name, answer, compared), *open_files(name, answer.text)]


def open_files(name: str, text: str) -> list[Finding]:
    """Return the finding about a process's open files, by the text of its metrics."""
    values = {
        family.name: family.samples[0].value
        for family in text_string_to_metric_families(text)
        if family.name in ("process_open_fds", "process_max_fds") and family.samples
    }
    return file_limits.judge_process(name, values.get("process_open_fds", 0.0), values.get("process_max_fds", 0.0))


def _clock(name: str, answer: httpx.Response, compared: clocks.Comparison) -> list[Finding]:
    """Judge the clock by the header Date, which has whole seconds."""
    try:
        theirs = parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return []
    return compared.judge(name, theirs, unit=1.0)
