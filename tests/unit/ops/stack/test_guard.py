"""The guard ends what a killed stack left behind, also if the guard was killed before."""

import sys
import tempfile
from pathlib import Path

from ops.stack.processes.spawn import guarding, spawn
from tests.harness.waiting import until


async def test_a_guard_that_was_killed_is_replaced_by_one_that_knows_every_group(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with tempfile.TemporaryFile() as lock:
        async with guarding(lock.fileno()) as guard:
            left = await spawn(guard, command, {}, cwd=tmp_path, log=tmp_path / "log", piped=False)
            first = guard.process
            first.kill()
            await until(lambda: guard.process is not first, seconds=20)
            later = await spawn(guard, command, {}, cwd=tmp_path, log=tmp_path / "log", piped=False)
        # The guard's input is closed now, as when the stack is killed.
        assert [await left.wait(), await later.wait()] == [-15, -15]
