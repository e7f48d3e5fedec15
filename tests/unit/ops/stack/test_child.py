"""One child: its back-off, its refusal, and its end."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.errors import WrongSettings
from ops.stack.console import StackConsole
from ops.stack.processes.child import Child
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.processes.spawn import Guard, guarding
from runtime.background.restart_backoff import FIRST_DELAY_SECONDS, LAST_DELAY_SECONDS, delay_after
from tests.harness.stack import is_running
from tests.harness.waiting import until


async def is_up(host: str, port: int) -> None:
    """A probe of a part that is ready at once."""


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    with tempfile.TemporaryFile() as lock:
        async with guarding(lock.fileno()) as running:
            yield running


def child(guard: Guard, code: str, log: Path) -> Child:
    return Child(
        ProcessSpec("part", [sys.executable, "-c", code], {}, "127.0.0.1", 1, is_up, log), guard, StackConsole()
    )


@pytest.mark.parametrize("deaths", range(1, 12))
def test_each_death_in_a_row_doubles_the_wait_up_to_a_bound_with_jitter(deaths: int) -> None:
    bound = min(FIRST_DELAY_SECONDS * 2 ** (deaths - 1), LAST_DELAY_SECONDS)
    delays = {delay_after(deaths) for _ in range(20)}
    assert all(bound / 2 <= delay <= bound for delay in delays)
    assert len(delays) > 1


async def test_a_child_that_dies_is_started_again(guard: Guard, tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = f"n = len(open({str(log)!r}).read()); print('x', flush=True); import time; time.sleep(60 if n > 2 else 0)"
    running = child(guard, code, log)
    task = asyncio.create_task(running.run())
    await until(lambda: log.exists() and log.read_text().count("x") >= 3, seconds=20)
    await running.stop(1.0)
    await task


async def test_a_child_that_refuses_its_settings_is_not_started_again(guard: Guard, tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match="part refuses its settings"):
        await child(guard, "raise SystemExit(2)", tmp_path / "log").run()


async def test_a_child_that_ignores_sigterm_is_killed_with_all_it_started(guard: Guard, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{other.pid}}\\n')\n"
        "time.sleep(60)\n"
    )
    running = child(guard, code, tmp_path / "log")
    task = asyncio.create_task(running.run())
    await until(lambda: pids.exists() and pids.read_text().endswith("\n"), seconds=20)
    await running.stop(0.1)
    await task
    await until(lambda: not any(is_running(int(pid)) for pid in pids.read_text().split()), seconds=20)
