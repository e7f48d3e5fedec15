"""The whole stack for tests, started as an operator starts it, on free ports and in a folder of its own."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.child_processes import start
from tests.harness.clients import LIMITED
from tests.harness.processes import ROOT, SECRET

START_SECONDS = 60
STOP_SECONDS = 15.0
READY = re.compile(r"^trivet: ready on (?P<url>http://\S+)$", re.MULTILINE)
ADDRESS = re.compile(r"^  (?P<name>\S+(?: \S+)?)  +(?P<address>\S.*)$", re.MULTILINE)
NAMES = ("gateway", "identity", "notifications", "cache", "secantusdb", "valkey")


class Stack:
    """A running `trivet run`: what it printed, its addresses and its processes."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self._log = log
        self._printed: list[str] = []
        self._changed = threading.Condition()
        with log.open("ab") as errors:
            self.process: subprocess.Popen[str] = start(
                [ROOT / "bin/trivet", "run"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                process_group=0,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self._printed.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self) -> str:
        return "".join(self._printed)

    @property
    def log(self) -> str:
        """What the processes wrote."""
        return self._log.read_text(errors="replace")

    def wait_for(self, pattern: str, *, after: int = 0, seconds: float = START_SECONDS) -> int:
        """Return the end of the first match beyond character `after` of the output, once it is there."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (match := re.compile(pattern, re.MULTILINE).search(self.output, after)):
                left = deadline - time.monotonic()
                if left <= 0 or not (self._reader.is_alive() and self._changed.wait(left)):
                    raise AssertionError(f"no {pattern!r} in:\n{self.output}\n{self.log[-4000:]}")
            return match.end()

    def wait_until_ready(self) -> "Stack":
        self.wait_for(READY.pattern)
        self.wait_for(r"^  started in ")
        return self

    @property
    def url(self) -> str:
        match = READY.search(self.output)
        assert match is not None, self.output
        return match["url"]

    @property
    def addresses(self) -> dict[str, str]:
        """What stands under the ready line, by name."""
        return {match["name"]: match["address"] for match in ADDRESS.finditer(self.output.partition("ready on")[2])}

    def children(self) -> dict[str, int]:
        """Return the process id of each part that runs now."""
        marks = {
            **{name: f"services.{name}" for name in ("identity", "notifications", "cache")},
            "gateway": "-mgateway",
            "secantusdb": "secantusd-py",
            "valkey": "valkey-server",
        }
        found: dict[str, int] = {}
        for pid, command in descendants(self.process.pid).items():
            found |= {name: pid for name, mark in marks.items() if mark in command}
        return found

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another subcommand against the same stack."""
        return trivet(*arguments, environment=self.environment)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to stop, wait until it has, and return how many seconds that took."""
        began = time.monotonic()
        self.process.send_signal(signum)
        self.process.wait(30)
        self._reader.join(5)
        return time.monotonic() - began


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return an environment with nothing of ours but what a test says; every port is a free one."""
    ports = ("HTTP", "IDENTITY", "NOTIFICATIONS", "CACHE")
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
        **{f"TRIVET_{name}_PORT": "0" for name in ports},
        "TRIVET_DATA": str(data),
        "TRIVET_SECRET": SECRET,
        **extra,
    }


def trivet(*arguments: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [ROOT / "bin/trivet", *arguments], env=environment, capture_output=True, text=True, timeout=START_SECONDS
    )


@contextmanager
def stack(data: Path, **extra: str) -> Iterator[Stack]:
    """Run a stack with its limits on until it is ready; end it afterwards."""
    running = Stack(environment(data, **{**LIMITED, **extra}), data.with_suffix(".log"))
    try:
        yield running.wait_until_ready()
    finally:
        if running.process.poll() is None:
            running.stop()


def descendants(root: int) -> dict[int, str]:
    """Return the processes below `root`, each with its command line run together (Linux's /proc)."""
    parents: dict[int, list[int]] = {}
    commands = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b"").decode()
        except OSError:
            continue  # it has ended meanwhile
        if state[0] != "Z":
            parents.setdefault(int(state[1]), []).append(int(folder.name))
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found[child] = commands[child]
            waiting.append(child)
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
