"""Servers of tests start as another user, beside a gRPC that is busy."""

import os
import subprocess
import sys

from tests.harness.child_processes import as_child
from tests.harness.processes import ROOT
from tests.harness.stores.engines import other_user


def ends(way: str, user: str) -> set[int]:
    """Return how the programs ended that a process of its own has started so: whatever this one did leaves it alone."""
    command = [sys.executable, "-m", "tests.harness.stores.starts", way, user]
    paths = {"PYTHONPATH": f"{ROOT / 'protos'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | paths)
    return set(map(int, done.stdout.split()))


def test_a_program_starts_as_another_user_beside_busy_grpc() -> None:
    if (user := other_user()) is not None:  # whoever is not root starts nothing as another user
        assert ends("as_child", user) == {0}


def test_by_a_fork_grpcs_threads_would_end_some() -> None:
    """With the protection off: between fork and exec they start again in the copy, which dies by a signal."""
    if (user := other_user()) is not None:
        assert min(ends("popen", user)) < 0


def test_a_program_has_no_right_of_ours() -> None:
    command = as_child(["sh", "-c", "id -u; id -G"], user=other_user())
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert os.getuid() != 0 or "0" not in done.stdout.split()
