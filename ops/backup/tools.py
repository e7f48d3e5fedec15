"""Runs the engines' own tools: their output is read as a stream, and their last line explains a failure."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from ops.errors import CommandFailed

SAID_BYTES = 4_000
KILL_SECONDS = 5.0


def find(names: Sequence[str], package: str) -> str:
    """Return the path of the first of these programs. Raises CommandFailed that names Debian's package."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    places += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    for name in names:
        if path := shutil.which(name, path=os.pathsep.join(places)):
            return path
    raise CommandFailed(f"{' or '.join(names)} is not on PATH: install it (Debian: {package})")


def inherited() -> dict[str, str]:
    """Return what a tool or a server may see of this process's environment: nothing that holds a password."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}


def version_of(program: str) -> str:
    """Return what a program says of its version."""
    asked = [program, "--version"]
    return subprocess.run(asked, env=inherited(), capture_output=True, text=True, check=False, timeout=30).stdout


class Tool:
    """A running tool. Its standard output or input is a stream."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        self._process = process
        self._said = said

    def read(self, size: int = -1, /) -> bytes:
        """Read its output. Raises CommandFailed at the end if the tool failed: its output is not whole then."""
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if not data:
            self.finish()
        return data

    def write(self, data: bytes, /) -> int:
        """Write to its input. Raises CommandFailed if the tool has failed."""
        assert self._process.stdin is not None
        try:
            return self._process.stdin.write(data)
        except BrokenPipeError:
            self.finish()
            raise CommandFailed(f"{self._name} ended before all of its input was read") from None

    def finish(self) -> None:
        """Close its input and wait for its end. Raises CommandFailed with its last line if it failed."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # its exit status says why
                self._process.stdin.close()
        if status := self._process.wait():
            raise CommandFailed(f"{self._name} failed: {self._last_line() or f'exit status {status}'}")

    def kill(self) -> None:
        """End the tool, which has nothing more to do."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    @property
    def _name(self) -> str:
        assert isinstance(self._process.args, list)
        return Path(self._process.args[0]).name

    def _last_line(self) -> str:
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - SAID_BYTES))
        lines = self._said.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        errors = [line for line in said if "error" in line.lower()]
        return (errors or said or [""])[0 if errors else -1]


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], *, feeds: bool = False) -> Iterator[Tool]:
    """Run a tool until the end of the block; `feeds` means that it reads a stream instead of writing one."""
    with TemporaryFile() as said:
        process = subprocess.Popen(
            list(command),
            env={**inherited(), **environment},
            stdin=subprocess.PIPE if feeds else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if feeds else subprocess.PIPE,
            stderr=said,
        )
        tool = Tool(process, said)
        try:
            yield tool
            tool.finish()
        finally:
            tool.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # nothing reads what was left in it
                        pipe.close()
