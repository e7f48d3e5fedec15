"""`trivet doctor` beside a running stack."""

import json
import os
import secrets
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from ops.doctor import clocks, processes
from ops.doctor.finding import Severity
from runtime.clock import utc_now
from tests.harness.ports import free_port
from tests.harness.stack import Stack, trivet
from tests.harness.stack import stack as another_stack


def _doctor(stack: Stack) -> dict[str, Any]:
    """Run it with a secret that is none of the tests' weak ones; it does not need the stack's."""
    environ = {**stack.environment, "TRIVET_SECRET": secrets.token_hex(32), "TZ": "UTC"}
    done = trivet("doctor", "--json", environment=environ)
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["findings"] = [each for each in answer["findings"] if each["check"] != "disk space"]
    return answer


def test_a_sound_stack_has_no_findings(stack: Stack) -> None:
    answer = _doctor(stack)
    assert answer["findings"] == []
    assert {"settings", "secrets", "processes", "sql", "mongodb", "redis", "file limits"} <= set(answer["checks"])


def test_a_process_that_hangs_is_found(tmp_path: Path) -> None:
    with another_stack(tmp_path / "data") as own:
        hung = own.children()["notifications"]
        os.kill(hung, signal.SIGSTOP)
        try:
            answer = _doctor(own)
        finally:
            os.kill(hung, signal.SIGCONT)
    problems = [each["problem"] for each in answer["findings"] if each["check"] == "processes"]
    assert answer["status"] == 2
    assert 1 < answer["seconds"] < 20  # it waited for the process, and not for ever
    assert any(line.startswith("notifications at ") and "does not answer" in line for line in problems)


async def test_the_clock_of_a_process_is_compared_by_its_metrics(stack: Stack) -> None:
    address = stack.addresses["identity metrics"].removeprefix("http://").removesuffix("/metrics")
    assert await processes.metrics("identity", address, utc_now) == []
    (finding,) = await processes.metrics("identity", address, lambda: utc_now() + timedelta(hours=1))
    assert (finding.check, finding.severity) == (clocks.CHECK, Severity.ERROR)
    assert finding.problem.startswith("the clock of identity is ")


async def test_processes_that_do_not_answer_are_findings_with_the_setting_to_correct(stack: Stack) -> None:
    dead = f"127.0.0.1:{free_port()}"
    found = [
        *await processes.service("cache", dead),
        *await processes.gateway(f"http://{dead}"),
        *await processes.metrics("cache", dead, utc_now),
        *await processes.gateway(f"{stack.url}/v1"),
    ]
    assert [each.severity for each in found] == [Severity.ERROR] * 4
    settings = ("TRIVET_CACHE_ADDRESS", "TRIVET_BASE_URL", "TRIVET_METRICS_ADDRESSES")
    assert all(name in each.remedy for name, each in zip(settings, found, strict=False))
