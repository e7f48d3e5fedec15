"""README's tour, run line by line against a real stack: a line that does not do what stands there fails."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import stack as run_stack
from tests.harness.tour import Line, Shell, matches, tour


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a folder that looks like the clone, beside a stack of its own: the tour makes an administrator."""
    folder = tmp_path / "clone"
    folder.mkdir()
    with run_stack(tmp_path / "data") as running, closing(Shell(folder, running)) as shell:
        yield shell


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
