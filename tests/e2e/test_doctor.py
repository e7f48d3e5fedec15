"""`trivet doctor` beside a running stack."""

import json
import os
import secrets
import signal
from pathlib import Path
from typing import Any

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
    assert 1 < answer["seconds"] < 9  # it waited for the process, and not for longer
    assert any(line.startswith("notifications at ") and "does not answer" in line for line in problems)
