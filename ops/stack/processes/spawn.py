"""Starts programs in process groups that a guard ends, so that none outlives the stack."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

LINE_LIMIT = 1024 * 1024
RESTART_SECONDS = 0.2


class Guard:
    """A process that ends all children if this process is killed. `keep` replaces it if it is killed itself."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._groups: set[int] = set()
        self._process: Process | None = None

    def began(self, group: int) -> None:
        self._groups.add(group)
        self._send(f"+{group}")

    def ended(self, group: int) -> None:
        self._groups.discard(group)
        self._send(f"-{group}")

    async def start(self) -> None:
        """Start the process, and send it every group."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(Path(__file__).with_name("guard.py"))),
            stdin=PIPE,
            start_new_session=True,
            pass_fds=(self._lock,),
        )
        for group in self._groups:
            self._send(f"+{group}")

    async def keep(self) -> None:
        """Start the process again whenever it has ended."""
        while True:
            await self.process.wait()
            await asyncio.sleep(RESTART_SECONDS)
            with contextlib.suppress(OSError):  # the machine has no room for a process: try again
                await self.start()

    async def stop(self) -> None:
        """Close the input of the process, and wait for its end."""
        self._stdin.close()
        await self.process.wait()

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self.process.stdin is not None
        return self.process.stdin

    def _send(self, line: str) -> None:
        if not self._stdin.is_closing():  # closed after the end of a guard; the next one gets every group
            self._stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def guarding(lock: int) -> AsyncIterator[Guard]:
    """Run a guard inside the block. It inherits the lock of the data folder."""
    guard = Guard(lock)
    await guard.start()
    keeping = asyncio.create_task(guard.keep())
    try:
        yield guard
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        await guard.stop()


async def spawn(
    guard: Guard, command: Sequence[str], environment: Mapping[str, str], *, cwd: Path, log: Path | None, piped: bool
) -> Process:
    """Start a program in a process group of its own, so that Ctrl-C reaches the stack alone.

    Its output goes to `log`, else to a pipe if `piped`, else to this process's standard error.
    """
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(log.open("ab")) if log else PIPE if piped else sys.stderr
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            cwd=cwd,
            stdin=DEVNULL,
            stdout=target,
            stderr=STDOUT,
            process_group=0,
            limit=LINE_LIMIT,
        )
    guard.began(process.pid)
    return process


def end_group(guard: Guard, group: int) -> None:
    """Kill the remaining processes of a group whose leader has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    guard.ended(group)
