"""The protections that `bench.stampede` takes out are there: one that was renamed would be measured with itself."""

import os
import subprocess
import sys

import pytest

from bench.stampede import OFF, environment_without
from tests.harness.processes import ROOT


def start(off: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """Start Python as the measured processes are started."""
    environment = {"PATH": os.environ["PATH"], **environment_without(off)}
    command = [sys.executable, "-c", "import sitecustomize; print(sitecustomize.__file__)"]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("layer", sorted({layer for off in OFF for layer in off}))
def test_each_protection_can_be_taken_out(layer: str) -> None:
    started = start((layer,))
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout.strip() == str(ROOT / "bench/layers/sitecustomize.py")


def test_one_that_is_not_there_stops_the_process() -> None:
    started = start(("luck",))
    assert started.returncode == 1
    assert "luck cannot be switched off" in started.stderr
