"""How the command tells mistakes: one line, and never a traceback."""

from pathlib import Path

import pytest

from tests.harness.stack import environment, trivet


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "No such command 'nonsense'."),
        (("actor",), "Missing option '--as'."),
        (("actor", "--as", "service:ops", "--to", "nowhere"), "Invalid value for '--to'"),
        (("db", "rollback", "--steps", "0"), "Invalid value for '--steps'"),
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
