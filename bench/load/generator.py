"""A load generator in a process of its own. Jobs come in and results go out as pickles over its pipes.

Only this program and its parent's `Generator` have the pipes, so the pickles can be trusted.
"""

import asyncio
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.load import driver, hashing, http, http_saturation, revocation, rpc

JOBS: dict[str, Callable[..., Awaitable[Any]]] = {
    "http": http_saturation.sustained,
    "each_once": http_saturation.each_once,
    "steady": http.steady,
    "burst": http.burst,
    "in_turn": http.in_turn,
    "rpc": rpc.sustained,
    "driver": driver.sustained,
    "hash": hashing.sustained,
    "revocations": revocation.measure,
}
TIMEOUT_SECONDS = 90.0
ROOT = Path(__file__).parents[2]


class Generator(AbstractContextManager["Generator"]):
    """The parent's end. If the process fails or hangs, its job is lost, and the next job starts a new process."""

    def __init__(self) -> None:
        self._process = _start()

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._kill()
        self._forget()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, job: str, *arguments: Any) -> None:
        """Start a job. `result` waits for its end."""
        if self._process.poll() is not None:
            self._forget()
            self._process = _start()
        assert self._process.stdin is not None
        pickle.dump((job, arguments), self._process.stdin)
        self._process.stdin.flush()

    def result(self, seconds: float = TIMEOUT_SECONDS) -> Any:
        """Return the result of the job.

        Raises TimeoutError after `seconds`, RuntimeError if the generator died; its traceback is on standard error.
        """
        assert self._process.stdout is not None
        if not select.select((self._process.stdout,), (), (), seconds)[0]:
            self._kill()
            raise TimeoutError(f"a load job did not end in {seconds:.0f} s")
        try:
            return pickle.load(self._process.stdout)  # noqa: S301  # our own child wrote it
        except EOFError:
            self._process.wait(10)
            raise RuntimeError("the load generator died: see its traceback above") from None

    def run(self, job: str, *arguments: Any) -> Any:
        self.start(job, *arguments)
        return self.result()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _forget(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _start() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.load.generator"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def main() -> None:
    """Run jobs until the parent closes the pipe. All share one event loop, because grpc.aio allows only one."""
    while True:
        try:
            job, arguments = await asyncio.to_thread(pickle.load, sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(await JOBS[job](*arguments), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
