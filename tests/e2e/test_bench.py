"""The benchmark runs from end to end; what it measures is for people to judge, not for a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import ROOT

PATHS = (
    "session check (HTTP)",
    "near cache empty",
    "one in a hundred traced",
    "sign-in",
    "profile read",
    "notification list",
    "WriteLogs",
    "identity: UserService/GetUser",
    "notifications: NotificationService/CountUnread",
    "cache: Get, a miss",
    "cache: Get, a hit",
)
WITHOUT_PEERS = (
    "warm session check, of a constant Starlette answer",
    "cheapest cache RPC, of a bare echo of its size",
    "cheapest cache RPC, of the same RPC doing one bare GET",
    "session check with one in a hundred traced, of one without",
    "revocation seen by the other gateway, p99",
    "whole stack at rest",
    "identity read by RPC (GetUser), of 1/(bare echo + driver alone)",
    "check from the database among many sessions, of one among few",
    "check read again among many sessions, of one among few",
)


@pytest.mark.timeout(300)
def test_a_quick_run_measures_every_path_beside_its_bare_equivalent(tmp_path: Path) -> None:
    """2.10."""
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--quick", "--results", str(results)]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    found = json.loads(results.read_text())
    assert found["failed"] == {}
    cases = {case.pop("name"): case for case in found["cases"]}
    for path in PATHS:
        assert any(path in name for name in cases), path
    for name, subjects in cases.items():
        assert {"bare", "better-auth, database", "traced"} & set(subjects) or "near cache empty" in name
        for subject, figures in subjects.items():
            assert figures["failures"] == 0, (name, subject)
            assert figures["per_second"] > 0, (name, subject)
    assert found["machine"]["cores"] >= 1
    assert any("unknown user" in name for name in found["timings"])
    assert sum("among as few of another stack" in name for name in found["timings"]) == 2
    measured = {target["name"]: target["measured"] for target in found["targets"]}
    assert {name for name in WITHOUT_PEERS if measured[name] is None} == set()
    assert "Trivet" in ran.stdout


ONE_FAILS = """
import runpy, sys
from bench.measurements import among_many, at_rest, timings
from bench.throughput import cases, session_checks

def fails(*_):
    raise RuntimeError("it does")

every = session_checks.checks
session_checks.checks = lambda *given: {"one that fails": fails, **dict([*every(*given).items()][:1])}
cases.paths = lambda *_: {}
timings.enumeration = timings.flood = among_many.among_many = fails
at_rest.at_rest = lambda _: {}
sys.argv = ["bench", *sys.argv[1:]]
runpy.run_module("bench", run_name="__main__")
"""


@pytest.mark.timeout(300)
def test_figures_around_a_failure_are_written_and_the_failure_is_named(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [sys.executable, "-c", ONE_FAILS, "--quick", "--results", str(results)]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=280)
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-4000:]
    assert "not measured: measuring a flood of sign-ins: RuntimeError: it does" in ran.stdout
    found = json.loads(results.read_text())
    assert [case["name"] for case in found["cases"]] == ["session check (HTTP)"]
    assert set(found["failed"]) == {
        "measuring one that fails",
        "measuring sign-ins of an unknown user",
        "measuring a flood of sign-ins",
        "measuring a check among many sessions",
    }
    assert "revocations" in found["timings"]


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'protos'}:{ROOT}"}
