"""README's tour, run line by line against a real stack: a line that does not do what stands there fails."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import Stack
from tests.harness.stack import stack as run_stack

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
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=stack.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """Run one line to its end; return what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for default, address in self._addresses.items():
            command = command.replace(default, address)
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{END}'\n")
        self._process.stdin.flush()
        printed = []
        for line in self._process.stdout:
            if line.strip() == END:
                break
            printed.append(line)
        return "".join(printed)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a folder that looks like the clone, beside a stack of its own: the tour makes an administrator."""
    folder = tmp_path / "clone"
    folder.mkdir()
    with run_stack(tmp_path / "data") as running:
        shell = Shell(folder, running)
        yield shell
        shell.close()


def test_every_line_of_the_tour_does_what_stands_there(shell: Shell) -> None:
    lines = tour((ROOT / "README.md").read_text())
    assert len(lines) > 10
    for line in lines:
        printed = shell.run(line.command)
        assert matches(line.expected, printed), f"$ {line.command}\nexpected: {line.expected}\nprinted:  {printed}"


def test_a_line_that_prints_something_else_is_noticed() -> None:
    assert matches('{"a":...}', '{"a":1}\n')
    assert not matches('{"a":...}', '{"b":1}')
    assert not matches("null", "")
    assert tour("```console\n$ one\nout\n$ two\n```\n") == [Line("one", "out"), Line("two", "")]
