"""Console blocks of a page: their commands, and one shell that runs them beside a stack."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.harness.child_processes import start
from tests.harness.processes import ROOT
from tests.harness.stack import Stack

DEFAULTS = {
    "localhost:8080": "gateway",
    "127.0.0.1:50051": "identity",
    "127.0.0.1:50052": "notifications",
    "127.0.0.1:50053": "cache",
}
END = "--- end of output ---"


@dataclass(frozen=True)
class Line:
    """A command of the tour and the output that stands below it, with `...` for what is left out."""

    command: str
    expected: str


def tour(text: str) -> list[Line]:
    """Return the commands of every console block, in order."""
    lines = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            lines.append(Line(command, expected.strip()))
    return lines


def matches(expected: str, actual: str) -> bool:
    """Whether the output is what stands there; `...` stands for anything, and an end of `...` for any rest."""
    pattern = ".*".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None


class Shell:
    """One shell that runs a tour's lines, so that what a line sets the next one knows."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self._addresses = {
            default: stack.url.removeprefix("http://") if name == "gateway" else stack.addresses[name]
            for default, name in DEFAULTS.items()
        }
        for name in ("bin", ".venv"):
            (folder / name).symlink_to(ROOT / name)
        self._process: subprocess.Popen[str] = start(
            ["bash"],
            cwd=folder,
            env=stack.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def localized(self, text: str) -> str:
        """Return a text of a page with this stack's addresses in place of the default ones."""
        for default, address in self._addresses.items():
            text = text.replace(default, address)
        return text

    def run(self, command: str) -> str:
        """Run one line to its end; return what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = self.localized(command)
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{END}'\n")
        self._process.stdin.flush()
        printed = []
        for line in self._process.stdout:
            if line.strip() == END:
                break
            printed.append(line)
        return "".join(printed)

    def close(self) -> None:
        """End the shell, and with it a program that hangs."""
        with self._process, contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
