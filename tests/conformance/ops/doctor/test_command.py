"""`trivet doctor` as an operator runs it: output, exit status, and the limits of its process."""

import json
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.identity.store.schema import migrate
from tests.conftest import Engines
from tests.harness.ports import free_port
from tests.harness.processes import ROOT
from tests.harness.stack import environment


@pytest.fixture
def sound(engine: Engines, tmp_path: Path) -> dict[str, str]:
    """The environment of a sound system without processes."""
    database = f"sqlite:///{tmp_path}/trivet.db"
    migrate.upgrade(database)
    redis, secret = engine.get("valkey").url, secrets.token_hex(32)
    return environment(tmp_path, DATABASE_URL=database, REDIS_URL=redis, TRIVET_SECRET=secret, TZ="UTC")


def _doctor(environ: dict[str, str], *arguments: str, limit: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [str(ROOT / "bin/trivet"), "doctor", *arguments]
    if limit:
        command = ["bash", "-c", f'ulimit -n {limit} && exec "$@"', "bash", *command]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def _findings(environ: dict[str, str], *, limit: int = 0) -> dict[str, Any]:
    """Return the findings by check, and the exit status, which must be that of the output too."""
    done = _doctor(environ, "--json", limit=limit)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == done.returncode
    found: dict[str, Any] = {"status": done.returncode}
    for each in answer["findings"]:
        found.setdefault(each["check"], []).append(each)
    found.pop("disk space", None)  # of the machine that runs the tests
    return found


def test_a_sound_system_has_only_the_note_that_no_process_runs(sound: dict[str, str]) -> None:
    found = _findings(sound)
    assert set(found) == {"status", "settings"}
    assert [each["severity"] for each in found["settings"]] == ["note"]


def test_a_weak_secret_is_an_error_without_its_value(sound: dict[str, str]) -> None:
    weak = "a-secret-that-everybody-guesses-0123456789"
    done = _doctor({**sound, "TRIVET_SECRET": weak})
    assert done.returncode == 2
    assert "TRIVET_SECRET has a word in it" in done.stdout
    assert weak not in done.stdout + done.stderr


def test_settings_that_are_wrong_are_findings_and_the_rest_is_checked(sound: dict[str, str]) -> None:
    dead = f"redis://127.0.0.1:{free_port()}/0"
    wrong = {"TRIVET_SECRET": "short", "TRIVET_GATEWAY_WORKERS": "many", "TRIVET_HTP_PORT": "8080", "REDIS_URL": dead}
    found = _findings({**sound, **wrong})
    problems = [each["problem"] for each in found["settings"]]
    for name in ("TRIVET_SECRET", "TRIVET_GATEWAY_WORKERS", "TRIVET_HTP_PORT"):
        assert sum(line.startswith(f"{name}:") for line in problems) == 1
    assert [each["severity"] for each in found["redis"]] == ["error"]
    assert found["status"] == 2


def test_a_database_whose_settings_are_wrong_is_a_finding_and_no_other_database_stands_for_it(
    sound: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "trivet.db").write_bytes(b"not a database")  # where an embedded stack would have its own
    for wrong in ({"TRIVET_STORE_STATEMENT_MS": "5000"}, {"DATABASE_URL": "oracle://trivet:keep-this@db/trivet"}):
        done = _doctor({**sound, **wrong}, "--json")
        answer = json.loads(done.stdout)
        assert done.returncode == 2
        assert any(name in each["problem"] for each in answer["findings"] for name in wrong)
        assert "sql" not in answer["checks"]
        assert "redis" in answer["checks"]
        assert "keep-this" not in done.stdout + done.stderr


def test_production_without_addresses_names_what_it_did_not_check(sound: dict[str, str]) -> None:
    production = {name: value for name, value in sound.items() if name != "REDIS_URL"}
    names = ("identity", "notifications", "cache")
    dead = {f"TRIVET_{name.upper()}_ADDRESS": f"127.0.0.1:{free_port()}" for name in names}
    url = f"http://127.0.0.1:{free_port()}"
    found = _findings({**production, **dead, "TRIVET_ENV": "production", "TRIVET_BASE_URL": url})
    unchecked = [each["problem"] for each in found["settings"] if "was not checked" in each["problem"]]
    assert [line.split()[0] for line in unchecked] == ["MONGODB_URI", "REDIS_URL"]
    assert (
        len(found["processes"]) == 4
    )  # nothing listens at the default addresses of the services, nor at the gateway's


@pytest.mark.parametrize(("limit", "severity"), [(300, "error"), (1_024, "warning")])
def test_a_low_limit_of_open_files_is_found(sound: dict[str, str], limit: int, severity: str) -> None:
    (finding,) = _findings(sound, limit=limit)["file limits"]
    assert finding["severity"] == severity
    assert f"{limit:,} files" in finding["problem"]


def test_the_output_is_a_table_with_the_remedies(sound: dict[str, str]) -> None:
    done = _doctor({**sound, "TRIVET_HTP_PORT": "8080"})
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].split() == ["SEVERITY", "CHECK", "PROBLEM", "WHAT", "TO", "DO"]
    assert "did you mean TRIVET_HTTP_PORT?" in done.stdout
    assert "warnings: 1" in done.stderr
