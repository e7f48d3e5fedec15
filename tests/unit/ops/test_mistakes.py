"""What an operator gets wrong about folders, files and settings: one clear line with the mend, and status 2."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.processes import ROOT
from tests.harness.stack import environment, trivet

pytestmark = pytest.mark.slow


def a_file(data: Path) -> None:
    data.write_text("")


def below_a_file(data: Path) -> None:
    data.parent.joinpath("file").write_text("")


def valkeys_folder_is_a_file(data: Path) -> None:
    data.mkdir()
    (data / "valkey").write_text("")


def secantusdbs_folder_is_a_file(data: Path) -> None:
    data.mkdir()
    (data / "secantusdb").write_text("")


def the_secret_is_a_folder(data: Path) -> None:
    (data / "secret").mkdir(parents=True)


def the_lock_is_a_folder(data: Path) -> None:
    (data / "lock").mkdir(parents=True)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (a_file, "data is not a folder: move what is there, or set TRIVET_DATA to another\n"),
        (valkeys_folder_is_a_file, "data/valkey is not a folder: "),
        (secantusdbs_folder_is_a_file, "data/secantusdb is not a folder: "),
        (the_secret_is_a_folder, "data/secret cannot be used (is a directory): set TRIVET_DATA to a folder of yours\n"),
        (the_lock_is_a_folder, "data cannot be used (is a directory): "),
    ],
)
def test_a_data_folder_that_cannot_be_used_is_one_line_and_status_2(
    tmp_path: Path, wrong: Callable[[Path], None], says: str
) -> None:
    wrong(tmp_path / "data")
    own = environment(tmp_path / "data")
    del own["TRIVET_SECRET"]
    refused = trivet("run", environment=own)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"trivet: {tmp_path}/{says}")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("run",), ("db", "migrate"), ("actor", "--as", "service:ops")])
@pytest.mark.parametrize("folder", ["/proc/nowhere/data", "/dev/null/data"])
def test_a_data_folder_that_cannot_be_made_is_one_line_and_status_2(
    tmp_path: Path, command: tuple[str, ...], folder: str
) -> None:
    own = environment(tmp_path, TRIVET_DATA=folder)
    del own["TRIVET_SECRET"]
    refused = trivet(*command, environment=own)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"trivet: {folder} ")
    assert "set TRIVET_DATA to" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("migrate",), ("migrate", "--wait"), ("status",)])
def test_a_database_file_that_is_none_is_one_line_and_status_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "trivet.db").write_bytes(b"not a database at all, whatever its name may say\n" * 20)
    refused = trivet("db", *arguments, environment=environment(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        f"trivet: {tmp_path}/trivet.db: the file is not a database, or is damaged: move it away, or restore a backup ("
    )
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("migrate",), ("migrate", "--wait")])
def test_a_database_file_in_no_folder_is_not_waited_for(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    url = f"sqlite:///{tmp_path}/no/such/folder/x.db"
    refused = trivet("db", *arguments, environment=environment(tmp_path, DATABASE_URL=url))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"trivet: {tmp_path}/no/such/folder/x.db: the database file cannot be opened: ")
    assert refused.stderr.count("\n") == 1


ON_A_DATABASE = (
    ("users", "list"),
    ("users", "create", "ann@example.com"),
    ("users", "ban", "ann@example.com"),
    ("users", "export", "ann@example.com"),
    ("db", "status"),
    ("db", "rollback"),
    ("keys", "reseal"),
    ("import", "better-auth", "--from", "sqlite:////dev/null"),
    ("export", "better-auth", "--to", "people.jsonl", "--with-tokens"),
)


@pytest.mark.parametrize("command", ON_A_DATABASE, ids=" ".join)
def test_a_wrong_folder_is_told_with_the_variables_that_choose_it_and_stays_as_it_is(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    own = environment(tmp_path / "elsewhere")
    del own["TRIVET_SECRET"]
    refused = trivet(*command, environment=own)
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr == (
        f"trivet: there is no database {tmp_path}/elsewhere/trivet.db: create it with `trivet run` or "
        "`trivet db migrate`, choose another folder with TRIVET_DATA or TRIVET_HTTP_PORT, or set DATABASE_URL\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_database_url_names_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    own = environment(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/x.db")
    refused = trivet("users", "list", environment=own)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"trivet: there is no database {tmp_path}/x.db: check DATABASE_URL, or create it with `trivet db migrate`\n"
    )
    assert list(tmp_path.iterdir()) == []
    assert trivet("db", "migrate", environment=own).returncode == 0
    assert trivet("users", "list", environment=own).returncode == 0


@pytest.mark.parametrize(
    ("command", "option", "variable"),
    [
        (("import", "better-auth"), "--from", "TRIVET_IMPORT_FROM"),
        (("import", "plain"), "--from", "TRIVET_IMPORT_FROM"),
        (("export", "better-auth"), "--to", "TRIVET_EXPORT_TO"),
    ],
)
@pytest.mark.parametrize("url", ["mysql://me:hunter2@127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?password=hunter2"])
def test_a_password_among_the_arguments_is_warned_of_with_the_variable_to_use(
    tmp_path: Path, command: tuple[str, ...], option: str, variable: str, url: str
) -> None:
    """K1: everybody on the machine can read arguments."""
    own = environment(tmp_path)
    warning = (
        f"trivet: warning: other users of this machine can read the password in {option}: set {variable} instead\n"
    )
    warned = trivet(*command, option, url, environment=own)
    assert warned.stderr.startswith(warning)
    assert "hunter2" not in warned.stderr
    assert warning not in trivet(*command, environment={**own, variable: url}).stderr


def test_a_setting_that_is_missing_goes_by_its_variable(tmp_path: Path) -> None:
    """R37."""
    own = environment(tmp_path, TRIVET_ENV="production")
    del own["TRIVET_SECRET"]
    refused = trivet("run", environment=own)
    assert refused.returncode == 2
    assert "  TRIVET_SECRET: must be set in production" in refused.stderr
    assert "  secret:" not in refused.stderr


INTERRUPTED = """
import builtins, runpy
real = builtins.__import__

def imported(name, *rest, **named):
    if name == "ops.cli":
        raise KeyboardInterrupt
    return real(name, *rest, **named)

builtins.__import__ = imported
runpy.run_module("ops", run_name="__main__")
"""


def test_ctrl_c_while_the_command_is_still_being_loaded_is_quiet(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    ended = subprocess.run(command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")


@pytest.mark.parametrize(
    ("rights", "says"),
    [
        ("ops=UserService/GetUsr", "UserService has no GetUsr"),
        ("ops=UsrService/GetUser", "there is no service UsrService"),
        ("biling=UserService/GetUser", "TRIVET_PROGRAMS does not name biling"),
        ("ops", "PROGRAM=SERVICE/METHOD"),
    ],
)
def test_a_right_that_nobody_could_use_stops_the_start(tmp_path: Path, rights: str, says: str) -> None:
    own = environment(tmp_path, TRIVET_PROGRAMS="ops,billing", TRIVET_PROGRAM_RIGHTS=rights)
    refused = trivet("run", environment=own)
    assert refused.returncode == 2
    assert "TRIVET_PROGRAM_RIGHTS: " in refused.stderr
    assert says in refused.stderr
    assert list(tmp_path.iterdir()) == []
