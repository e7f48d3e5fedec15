"""How the command tells mistakes: one line, and never a traceback."""

import subprocess
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import environment, trivet


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command 'nonsense'."),
        (("actor",), "Missing option '--as'."),
        (("actor", "--as", "service:ops", "--to", "nowhere"), "Invalid value for '--to'"),
        (("db", "rollback", "0"), "Invalid value for '[N]'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    refused = trivet(*arguments, environment=environment(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"trivet: {says}")
    assert refused.stderr.count("\n") == 1


def test_a_command_without_its_subcommand_shows_the_help(tmp_path: Path) -> None:
    shown = trivet(environment=environment(tmp_path))
    assert shown.returncode == 2
    assert "Run the whole stack" in shown.stderr


def test_without_a_venv_the_mend_is_named(tmp_path: Path) -> None:
    refused = trivet("db", environment={**environment(tmp_path), "TRIVET_PYTHON": "/nowhere/python"})
    assert refused.returncode == 2
    assert "run `make install`" in refused.stderr


@pytest.mark.parametrize("name", ["ops", "trivet", "runtime"])
def test_what_lies_in_the_folder_it_is_called_from_is_not_run(tmp_path: Path, name: str) -> None:
    """An operator's own `ops.py` would otherwise end sessions by ending with status 0."""
    (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else's program')")
    command = [str(ROOT / "bin/trivet"), "--help"]
    asked = subprocess.run(
        command, env=environment(tmp_path / "data"), cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (asked.returncode, asked.stderr) == (0, "")
