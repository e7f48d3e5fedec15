"""The check that comes first: a Python from 3.11 to 3.13, or how to get one."""

import os
import subprocess
from pathlib import Path

from tests.harness.processes import ROOT


def find(path: Path, **extra: str) -> "subprocess.CompletedProcess[str]":
    own = {"PATH": f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin", **extra}
    return subprocess.run([ROOT / "ops/find-python.sh"], env=own, capture_output=True, text=True)


def fake(folder: Path, name: str, version: str, *, fits: bool) -> Path:
    """A program that answers as that Python does."""
    program = folder / name
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit\nexit {0 if fits else 1}\n')
    program.chmod(0o755)
    return program


def test_the_first_that_fits_is_taken(tmp_path: Path) -> None:
    fake(tmp_path, "python3", "3.14.0", fits=False)
    expected = fake(tmp_path, "python3.13", "3.13.1", fits=True)
    assert find(tmp_path).stdout.strip() == str(expected)


def test_a_named_one_is_taken_before_those_on_the_path(tmp_path: Path) -> None:
    fake(tmp_path, "python3", "3.11.2", fits=True)
    named = fake(tmp_path, "mine", "3.12.0", fits=True)
    assert find(tmp_path, PYTHON=str(named)).stdout.strip() == str(named)


def test_when_none_fits_the_mend_is_named(tmp_path: Path) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        fake(tmp_path, name, "3.14.0", fits=False)
    refused = find(tmp_path)
    assert refused.returncode == 1
    assert "Python 3.11 to 3.13 with venv is needed" in refused.stderr
    assert "python3 is Python 3.14.0" in refused.stderr
    assert "apt-get install python3 python3-venv" in refused.stderr
