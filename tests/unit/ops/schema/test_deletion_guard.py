"""Commands that delete data, or tables, do so in production only for an operator who names the database."""

import subprocess
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import environment, trivet


def _reset(
    tmp_path: Path, *options: str, typed: str = "", env: str = "production"
) -> "subprocess.CompletedProcess[str]":
    own = environment(tmp_path, TRIVET_ENV=env, DATABASE_URL=f"sqlite:///{tmp_path}/trivet.db")
    command = [str(ROOT / "bin/trivet"), "db", "reset", *options]
    return subprocess.run(command, env=own, input=typed, capture_output=True, text=True, timeout=60, check=False)


def test_production_asks_for_the_option_and_the_name(tmp_path: Path) -> None:
    without = _reset(tmp_path)
    assert without.returncode == 2
    assert "is in production: --yes-delete-everything confirms that this deletes all users" in without.stderr
    for typed in ("", "yes\n", "trivet\n"):
        refused = _reset(tmp_path, "--yes-delete-everything", typed=typed)
        assert refused.returncode == 2
        assert refused.stderr.endswith("trivet: the database's name was not typed (trivet.db): nothing was changed\n")
    assert not (tmp_path / "trivet.db").exists()
    done = _reset(tmp_path, "--yes-delete-everything", typed="trivet.db\n")
    assert done.returncode == 0, done.stderr


def test_development_asks_or_takes_the_option(tmp_path: Path) -> None:
    refused = _reset(tmp_path, env="development")
    assert refused.returncode == 2
    assert "standard input is not a terminal: confirm with --yes-delete-everything" in refused.stderr
    done = _reset(tmp_path, "--yes-delete-everything", env="development")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("\ndeleted nothing, and migrated\n")


@pytest.mark.parametrize("command", ["push", "seed"])
def test_a_push_or_seed_in_production_is_refused(tmp_path: Path, command: str) -> None:
    own = environment(tmp_path, TRIVET_ENV="production", DATABASE_URL=f"sqlite:///{tmp_path}/trivet.db")
    refused = trivet("db", command, environment=own)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"trivet: `trivet db {command}` is refused in production (TRIVET_ENV): ")
    assert list(tmp_path.glob("trivet.db")) == []
