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


class Guard:
    """A process that ends all children if this process is killed."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def tell(self, sign: str, group: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{sign}{group}\n".encode())


@asynccontextmanager
async def guarding(lock: int) -> AsyncIterator[Guard]:
    """Run a guard inside the block. It inherits the lock of the data folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(Path(__file__).with_name("guard.py"))),
        stdin=PIPE,
        start_new_session=True,
        pass_fds=(lock,),
    )
    try:
        yield Guard(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


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
    guard.tell("+", process.pid)
    return process


def end_group(guard: Guard, group: int) -> None:
    """Kill the remaining processes of a group whose leader has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    guard.tell("-", group)
