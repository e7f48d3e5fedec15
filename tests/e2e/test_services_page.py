"""docs/services.md: its Python programs and its console lines, run as the program `billing` against a real stack."""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import stack as run_stack
from tests.harness.tour import Shell, matches, tour

PAGE = (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
ERRORS = "errors.txt"
SETTINGS = re.compile(r"^export (TRIVET_\w+)='?([^'\n]+)'?$", re.MULTILINE)
PROGRAM = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell with the page's programs in its folder, beside a stack with the page's settings."""
    folder = tmp_path / "clone"
    folder.mkdir()
    settings = dict(SETTINGS.findall(PAGE))
    with run_stack(tmp_path / "data", **settings) as running, closing(Shell(folder, running)) as shell:
        for name, program in PROGRAM.findall(PAGE):
            (folder / name).write_text(shell.localized(program), encoding="utf-8")
        # The wheel's content, as `pip install` would bring it. On a busy machine the client warns of slow answers.
        program = f"PYTHONPATH={shlex.quote(str(ROOT / 'protos'))} {shlex.quote(sys.executable)}"
        shell.run(f'python() {{ {program} "$@" 2>>{ERRORS}; }}')
        yield shell


def test_the_programs_and_lines_of_the_page_do_what_stands_there(shell: Shell, tmp_path: Path) -> None:
    errors = tmp_path / "clone" / ERRORS
    lines = tour(PAGE)
    assert len(lines) > 4
    assert [name for name, _ in PROGRAM.findall(PAGE)] == ["billing.py", "prices.py"]
    for line in lines:
        printed = shell.run(line.command)
        assert matches(line.expected, printed), (
            f"$ {line.command}\nexpected: {line.expected}\nprinted:  {printed}\n{errors.read_text()}"
        )


def test_a_program_without_rights_is_refused(tmp_path: Path) -> None:
    """The rights of the page are what lets its programs call: without them the first call fails."""
    folder = tmp_path / "clone"
    folder.mkdir()
    with (
        run_stack(tmp_path / "data", TRIVET_PROGRAMS="ops,billing") as running,
        closing(Shell(folder, running)) as shell,
    ):
        (folder / "prices.py").write_text(shell.localized(dict(PROGRAM.findall(PAGE))["prices.py"]), encoding="utf-8")
        shell.run(tour(PAGE)[0].command)
        printed = shell.run(f"PYTHONPATH={ROOT / 'protos'} timeout 5 {sys.executable} prices.py 2>&1; echo status $?")
    assert "CALLER_NOT_ALLOWED" in printed or "PERMISSION_DENIED" in printed, printed
