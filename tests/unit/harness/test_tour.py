"""The shell of a page's tour ends with all that its lines started."""

import os
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.harness.stack import is_running
from tests.harness.tour import DEFAULTS, Shell
from tests.harness.waiting import eventually


def test_a_program_that_hangs_ends_with_its_shell(tmp_path: Path) -> None:
    addresses = {name: default for default, name in DEFAULTS.items()}
    stack: Any = SimpleNamespace(
        url="http://localhost:8080", addresses=addresses, environment={"PATH": os.environ["PATH"]}
    )
    with closing(Shell(tmp_path, stack)) as shell:
        program = int(shell.run("sleep 600 & echo $!"))
        assert is_running(program)
    eventually(lambda: not is_running(program), seconds=10)
