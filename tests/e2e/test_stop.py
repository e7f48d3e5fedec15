"""How a stack ends, by a signal or by force, and what it leaves behind: nothing but its data."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.accounts import sign_in, sign_up
from tests.harness.stack import NAMES, STOP_SECONDS, descendants, is_running, stack
from tests.harness.waiting import eventually, in_time


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_every_child_in_time_and_leaves_nothing(data: Path, signum: signal.Signals) -> None:
    with stack(data) as running:
        children = descendants(running.process.pid)
        assert len(running.children()) == len(NAMES)
        took = running.stop(signum)
        assert running.process.returncode == 0
        in_time(took, 0, STOP_SECONDS)
        assert not [command for pid, command in children.items() if is_running(pid)]
        assert running.output.endswith("trivet: stopping\ntrivet: stopped\n")


def test_a_gateway_of_several_workers_is_ready_is_measured_and_leaves_nothing(data: Path) -> None:
    with stack(data, TRIVET_GATEWAY_WORKERS="2") as running:
        children = descendants(running.process.pid)
        assert sum("-mgateway.server.worker" in command for command in children.values()) == 2
        for row in ("gateway metrics", "gateway-2 metrics"):
            eventually(lambda row=row: "trivet_http_" in httpx.get(running.addresses[row]).text, seconds=20)  # type: ignore[misc]  # bound to this row
        eventually(lambda: httpx.get(f"{running.url}/readyz").status_code == 200, seconds=20)
        assert running.stop() < STOP_SECONDS
        assert running.process.returncode == 0
        assert not [command for pid, command in children.items() if is_running(pid)]


def test_ctrl_c_in_the_terminal_reaches_the_stack_alone(data: Path) -> None:
    """The children are in groups of their own, so that the stack ends them in its order."""
    with stack(data) as running:
        groups = {os.getpgid(pid) for pid in running.children().values()}
        assert running.process.pid not in groups
        assert len(groups) == len(NAMES)


def test_a_stopped_child_is_ended_by_force(data: Path) -> None:
    """R3: a process that SIGSTOP holds cannot hear SIGTERM."""
    with stack(data) as running:
        pid = running.children()["cache"]
        signal_to(pid, signal.SIGSTOP)
        assert running.stop() < STOP_SECONDS
        assert not is_running(pid)


def test_data_survives_a_restart(data: Path) -> None:
    with stack(data) as first:
        sign_up(first.url, "ada@example.com")
    with stack(data) as second:
        assert sign_in(second.url, "ada@example.com") == 200


def test_a_killed_stack_leaves_nothing_running_and_can_be_started_again(data: Path) -> None:
    with stack(data) as running:
        children = descendants(running.process.pid)
        running.process.kill()
        running.process.wait()
        eventually(lambda: not any(map(is_running, children)), seconds=STOP_SECONDS)
    with stack(data) as again:
        assert httpx.get(f"{again.url}/readyz").status_code == 200


def test_without_the_guard_a_killed_stack_leaves_its_children(data: Path) -> None:
    """The damage that the guard prevents: this kills it first, while the stack cannot start another one."""
    with stack(data) as running:
        children = descendants(running.process.pid)
        guard = next(pid for pid, command in children.items() if "ops/stack/processes/guard.py" in command)
        running.process.send_signal(signal.SIGSTOP)
        signal_to(guard, signal.SIGKILL)
        running.process.kill()
        running.process.wait()
        left = [pid for pid in children if is_running(pid)]
        assert left
        for pid in left:
            signal_to(pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_running, left)), seconds=STOP_SECONDS)


def signal_to(pid: int, signum: signal.Signals) -> None:
    os.kill(pid, signum)
