"""A load generator in a process of its own: jobs come in and rounds go out as pickles over its pipes.

Both ends are this program and its parent's `Generator`; nothing else can write there.
"""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from bench import driver_load, hash_load, http_load, rpc_load

JOBS: dict[str, Callable[..., Awaitable[Any]]] = {
    "http": http_load.sustained,
    "steady": http_load.steady,
    "burst": http_load.burst,
    "in_turn": http_load.in_turn,
    "rpc": rpc_load.sustained,
    "driver": driver_load.sustained,
    "hash": hash_load.sustained,
}


class Generator(AbstractContextManager["Generator"]):
    """The parent's end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.generator"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def start(self, job: str, *arguments: Any) -> None:
        """Begin a job; `result` waits for it."""
        assert self._process.stdin is not None
        pickle.dump((job, arguments), self._process.stdin)
        self._process.stdin.flush()

    def result(self) -> Any:
        """Return what the job came to. Raises EOFError if the generator died; its traceback is on standard error."""
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)  # noqa: S301  # our own child wrote it

    def run(self, job: str, *arguments: Any) -> Any:
        self.start(job, *arguments)
        return self.result()


async def main() -> None:
    """Do jobs until the parent closes the pipe. One loop for all of them, as grpc.aio wants it."""
    while True:
        try:
            job, arguments = await asyncio.to_thread(pickle.load, sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(await JOBS[job](*arguments), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
