"""The benchmark runs from end to end; what it measures is for people to judge, not for a test."""

import json
import subprocess
import sys
from pathlib import Path

from tests.harness.processes import ROOT


def test_a_quick_run_measures_every_path_beside_its_bare_equivalent(tmp_path: Path) -> None:
    """2.10."""
    results = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--quick", "--results", str(results)]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=110)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    found = json.loads(results.read_text())
    names = [case["name"] for case in found["cases"]]
    for path in (
        "session check",
        "profile read",
        "notification list",
        "log write",
        "identity",
        "notifications",
        "cache",
    ):
        assert any(path in name for name in names), path
    for case in found["cases"]:
        assert case["ours"]["failures"] == case["bare"]["failures"] == 0, case["name"]
        assert case["ours"]["per_second"] > 0
        assert case["bare"]["per_second"] > 0
        assert case["bottleneck"]
    assert found["machine"]["cores"] >= 1
    assert any("unknown user" in name for name in found["timings"])
    assert "Trivet" in ran.stdout


SECOND_FAILS = """
import runpy, sys
from itertools import islice
import bench.cases

every = bench.cases.cases

def first_and_one_that_fails(scene):
    yield from islice(every(scene), 1)
    yield bench.cases.Case("one that fails", lambda: ("http", None), lambda: ("http", None))

bench.cases.cases = first_and_one_that_fails
sys.argv = ["bench", *sys.argv[1:]]
runpy.run_module("bench", run_name="__main__")
"""


def test_figures_from_before_a_failure_are_written_and_the_failure_is_named(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    command = [sys.executable, "-c", SECOND_FAILS, "--quick", "--results", str(results)]
    ran = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=110)
    assert ran.returncode == 1, ran.stdout[-2000:] + ran.stderr[-4000:]
    assert "bench: measuring one that fails failed" in ran.stderr
    found = json.loads(results.read_text())
    assert [case["name"] for case in found["cases"]] == ["session check (HTTP)"]
    assert found["timings"] == {}


def environment() -> dict[str, str]:
    return {"PATH": str(Path(sys.executable).parent), "PYTHONPATH": f"{ROOT / 'protos'}:{ROOT}"}
