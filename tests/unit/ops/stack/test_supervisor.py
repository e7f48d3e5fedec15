"""The order in which a stack's parts end, and what a refusal of one does to the others."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.errors import CommandFailed, WrongSettings
from ops.stack.console import StackConsole
from ops.stack.processes.probes import Unready
from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.processes.spawn import Guard, guarding
from ops.stack.processes.supervisor import Supervisor
from tests.harness.waiting import until

CODE = """
import os, signal, sys, time
def end(*_):
    time.sleep(0.1)
    os.write(log, (sys.argv[1] + "\\n").encode())
    sys.exit(0)
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
signal.signal(signal.SIGTERM, end)
open(sys.argv[2] + "." + sys.argv[1], "w").close()
time.sleep(60)
"""


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    with tempfile.TemporaryFile() as lock:
        async with guarding(lock.fileno()) as running:
            yield running


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "ended"


def part(name: str, log: Path, code: str = CODE) -> ProcessSpec:
    async def is_up(host: str, port: int) -> None:
        if not log.with_name(f"ended.{name}").exists():
            raise Unready("it has not begun")

    return ProcessSpec(
        name, [sys.executable, "-c", code, name, str(log)], {}, "127.0.0.1", 1, is_up, log.with_name("out")
    )


def ended(log: Path) -> list[str]:
    """The parts that ended by themselves, in that order."""
    return log.read_text().split() if log.exists() else []


def stack(guard: Guard, log: Path) -> Supervisor:
    tiers = [[part("gateway", log)], [part("identity", log), part("cache", log)], [part("store", log)]]
    return Supervisor(tiers, guard, StackConsole())


async def test_the_gateway_ends_first_then_the_services_then_the_stores(guard: Guard, log: Path) -> None:
    supervisor = stack(guard, log)
    await asyncio.wait_for(supervisor.run(supervisor.stop, {}), 20)
    first, *services, last = ended(log)
    assert (first, sorted(services), last) == ("gateway", ["cache", "identity"], "store")


async def test_a_stack_that_is_told_twice_ends_at_once(guard: Guard, log: Path) -> None:
    supervisor = stack(guard, log)

    def stop_twice() -> None:
        supervisor.stop()
        supervisor.stop()

    await asyncio.wait_for(supervisor.run(stop_twice, {}), 20)
    assert ended(log) == []


async def test_a_signal_stops_the_stack(guard: Guard, log: Path) -> None:
    supervisor = stack(guard, log)
    await asyncio.wait_for(supervisor.run(lambda: signal.raise_signal(signal.SIGTERM), {}), 20)
    assert len(ended(log)) == 4


async def test_what_comes_first_delays_its_own_part_alone(guard: Guard, log: Path) -> None:
    """As identity waits for the migration, and the others do not."""
    supervisor = stack(guard, log)
    open_gate = asyncio.Event()

    async def gate() -> None:
        await open_gate.wait()

    running = asyncio.create_task(supervisor.run(supervisor.stop, {"identity": gate}))
    await until(
        lambda: all(log.with_name(f"ended.{name}").exists() for name in ("gateway", "cache", "store")), seconds=20
    )
    assert not log.with_name("ended.identity").exists()
    open_gate.set()
    await asyncio.wait_for(running, 20)
    assert len(ended(log)) == 4


async def test_when_what_comes_first_fails_everything_ends(guard: Guard, log: Path) -> None:
    async def fails() -> None:
        raise CommandFailed("no")

    with pytest.raises(CommandFailed, match="no"):
        await asyncio.wait_for(stack(guard, log).run(lambda: None, {"identity": fails}), 20)


async def test_a_part_that_refuses_its_settings_ends_the_stack(guard: Guard, log: Path) -> None:
    """R37."""
    supervisor = Supervisor(
        [[part("gateway", log)], [part("bad", log, "raise SystemExit(2)")], []], guard, StackConsole()
    )
    with pytest.raises(WrongSettings, match="bad refuses its settings"):
        await asyncio.wait_for(supervisor.run(lambda: None, {}), 20)
