"""Variables from files: what is read, what wins, and what is refused without showing a value."""

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.credentials import UnreadableCredentialsError, load
from tests.harness.processes import ROOT, environment, process
from tests.harness.stack import trivet


def test_every_env_file_of_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "identity.env").write_text("# keys\nTRIVET_SECRET=a=b\n\nDATABASE_URL=mysql://u:p@h/d\n")
    (tmp_path / "other").write_text("REDIS_URL=redis://x\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    load(environ)
    assert environ == {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "TRIVET_SECRET": "a=b",
        "DATABASE_URL": "mysql://u:p@h/d",
    }


def test_a_variable_of_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "x.env").write_text("TRIVET_SECRET=file\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TRIVET_SECRET": "environment"}
    load(environ)
    assert environ["TRIVET_SECRET"] == "environment"


def test_without_a_folder_nothing_is_read() -> None:
    environ = {"A": "b"}
    load(environ)
    assert environ == {"A": "b"}


@pytest.mark.parametrize("content", [b"hunter2\n", b"=hunter2\n", b"not a name=hunter2\n", b"A=\xff\n"])
def test_a_file_of_something_else_is_refused_and_its_content_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.env").write_bytes(content)
    with pytest.raises(UnreadableCredentialsError) as refused:
        load({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "x.env" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_process_starts_from_its_file_and_keeps_it_out_of_its_environment(tmp_path: Path) -> None:
    """The file that deploy/make-env.sh makes, as systemd hands it to the unit."""
    given = environment("cache", 0, CREDENTIALS_DIRECTORY=str(tmp_path), TRIVET_METRICS_PORT="no port")
    keys = {name: given.pop(name) for name in ("TRIVET_ACCEPT_KEYS", "TRIVET_CALL_KEYS")}
    (tmp_path / "cache.env").write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
    command = [sys.executable, "-m", "services.cache"]
    refused = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[1:] == [
        "  TRIVET_METRICS_PORT: Input should be a valid integer, unable to parse string as an integer"
    ], "the keys were found"


def test_a_process_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "cache.env").write_text("A=b\nhunter2\n")
    with process("cache", wait=False, CREDENTIALS_DIRECTORY=str(tmp_path)) as refused:
        assert refused.popen.wait(30) == 2
        assert refused.output() == (
            f"trivet: these settings are wrong:\n  {tmp_path}/cache.env, line 2: must be NAME=VALUE\n"
        )


def test_the_command_reads_them_too(tmp_path: Path) -> None:
    (tmp_path / "command.env").write_text("TRIVET_PROGRAMS=billing\n")
    given = {"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(tmp_path), "TRIVET_DATA": str(tmp_path)}
    assert "# billing" in trivet("keys", environment=given).stdout
    (tmp_path / "command.env").write_text("hunter2\n")
    refused = trivet("keys", environment=given)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"trivet: {tmp_path}/command.env, line 1: must be NAME=VALUE\n"
