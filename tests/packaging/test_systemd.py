"""The systemd units: valid, hardened, and given only settings that exist."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from known_variables import KNOWN_VARIABLES
from ops.stack.environment import PROCESSES
from tests.harness.processes import ROOT

UNITS = ROOT / "deploy/systemd"
SERVICES_OF_SYSTEMD = (*(f"trivet-{name}" for name in PROCESSES), "trivet-migrate", "trivet-backup")
EXPOSED_AT_MOST = 2.0
"""Of `systemd-analyze security`: 10 is a unit without any protection. Below 2 it says OK."""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the units whose programs are there. Skips without systemd-analyze."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine: install systemd")
    folder = tmp_path_factory.mktemp("units")
    for program in (".venv/bin/python", "bin/trivet"):
        path = folder / "opt" / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copytree(UNITS, folder / "units")
    for file in filter(Path.is_file, (folder / "units").rglob("*")):
        file.write_text(file.read_text().replace("/opt/trivet", str(folder / "opt")))
    return folder / "units"


def analyze(units: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0"}
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def files(units: Path) -> list[str]:
    return [str(each) for each in units.iterdir() if each.is_file()]


def test_systemd_accepts_every_unit(units: Path) -> None:
    assert len(files(units)) == 8
    checked = analyze(units, "verify", "--man=no", *files(units))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_misspelled_directive_is_found(units: Path, tmp_path: Path) -> None:
    broken = tmp_path / "units"
    shutil.copytree(units, broken)
    unit = broken / "trivet-cache.service"
    unit.write_text(unit.read_text().replace("LoadCredential=", "LoadCredentials="))
    assert "LoadCredentials" in analyze(broken, "verify", "--man=no", *files(broken)).stderr


@pytest.mark.parametrize("name", SERVICES_OF_SYSTEMD)
def test_a_unit_is_hardened(units: Path, name: str) -> None:
    judged = analyze(units, "security", "--offline=yes", f"{name}.service")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found is not None, judged.stdout + judged.stderr
    assert 0 < float(found[1]) <= EXPOSED_AT_MOST


def test_a_unit_without_what_all_share_would_be_exposed(units: Path, tmp_path: Path) -> None:
    bare = tmp_path / "units"
    shutil.copytree(units, bare)
    shutil.rmtree(bare / "trivet-.service.d")
    judged = analyze(bare, "security", "--offline=yes", "trivet-cache.service")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found is not None
    assert float(found[1]) > 2 * EXPOSED_AT_MOST


def read(file: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names of directives have capitals
    unit.read(file)
    return unit


def test_secrets_come_as_credentials_and_every_variable_is_read() -> None:
    for name in SERVICES_OF_SYSTEMD:
        service = read(UNITS / f"{name}.service")["Service"]
        process = name.removeprefix("trivet-")
        own = process if process in PROCESSES else "command"
        assert service["LoadCredential"] == f"{own}.env:/etc/trivet/{own}.env"
        assert "EnvironmentFile" not in service
    text = "".join(file.read_text() for file in UNITS.rglob("*") if file.is_file())
    names = set(re.findall(r"\b(TRIVET_[A-Z_]+)=", text))
    assert len(names) >= 4
    assert KNOWN_VARIABLES.unread(dict.fromkeys(names, "")) == []


def test_the_processes_that_need_the_schema_start_after_the_migration_and_outlive_its_restart() -> None:
    for name in ("identity", "notifications"):
        unit = read(UNITS / f"trivet-{name}.service")["Unit"]
        assert "trivet-migrate.service" in unit["Wants"].split()
        assert "trivet-migrate.service" in unit["After"].split()
        assert not {"Requires", "BindsTo", "Requisite"} & unit.keys(), "a restart of the migration would stop it"
