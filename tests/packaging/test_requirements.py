"""The locked requirements: complete for each process, and bound to no index."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ops.stack.environment import PROCESSES, module
from tests.harness.processes import ROOT, environment
from tests.packaging.venv import python_of, uv

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
ADDRESS = re.compile(r"https?:|file:|git\+|^\s*(--(extra-)?index-url|--find-links|-i |-f |-e )| @ ", re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_index_and_no_file(lock: Path) -> None:
    """The index is whatever pip is configured with, here as elsewhere."""
    assert not ADDRESS.search(lock.read_text())


@pytest.mark.parametrize("line", ["--index-url https://x/simple", "a @ file:///x", "-e .", "--find-links /wheels"])
def test_an_address_in_a_lock_would_be_found(line: str) -> None:
    assert ADDRESS.search(f"grpcio==1.0\n{line}\n")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_version_is_pinned_with_hashes(lock: Path) -> None:
    """K2."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_there_is_a_lock_for_each_group() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"].keys()
    assert {lock.stem for lock in LOCKS} == groups - {"runtime"}


def test_no_process_needs_the_gpl_store() -> None:
    """SecantusDB is a program beside Trivet on a laptop: it is in `embedded`, and in `dev` for the tests."""
    naming = {lock.stem for lock in LOCKS if re.search(r"^secantusdb==", lock.read_text(), re.MULTILINE)}
    assert naming == {"embedded", "dev"}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_starts_where_its_own_requirements_alone_are_installed(name: str, tmp_path: Path) -> None:
    """It gets as far as refusing a wrong setting: by then everything is imported."""
    folder = tmp_path / "venv"
    uv("venv", "--python", sys.executable, str(folder))
    uv("pip", "sync", "--python", str(python_of(folder)), str(ROOT / f"requirements/{name}.txt"))
    own = environment(name, 0, TRIVET_METRICS_PORT="many")
    ran = subprocess.run([python_of(folder), "-m", module(name)], env=own, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 2, ran.stderr
    assert "TRIVET_METRICS_PORT" in ran.stderr
