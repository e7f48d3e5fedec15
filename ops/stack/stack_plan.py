"""The plan of a stack: `trivet run` makes it and hands it to the program that it becomes."""

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

from ops.stack.processes.process_spec import ProcessSpec
from ops.stack.running import Running

STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class StackPlan:
    """`tiers` are in the order of shutdown. `lock` is the file descriptor that locks the data folder."""

    tiers: Sequence[Sequence[ProcessSpec]]
    running: Running
    folder: Path
    addresses: Sequence[tuple[str, str]]
    lock: int
    began: float
    """When the command began, on the monotonic clock, which exec does not reset."""

    def spec(self, name: str) -> ProcessSpec:
        return next(spec for tier in self.tiers for spec in tier if spec.name == name)


def follow(plan: StackPlan) -> NoReturn:
    """Become `ops/stack/__main__.py` by exec, with the same process id.

    Without the exec the modules that made the plan would stay in memory as long as the stack runs.
    """
    with TemporaryFile() as file:  # it has no name, so that no other process can read the keys in it
        pickle.dump(plan, file)
        file.seek(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # until the new program handles them
        for descriptor in (file.fileno(), plan.lock):
            os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "ops.stack", str(file.fileno())])  # noqa: S606  # no shell is wanted


def handed_over(descriptor: int) -> StackPlan:
    """Return the plan that this process made before the exec, and unblock the stop signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    with open(descriptor, "rb") as file:
        plan = pickle.load(file)  # noqa: S301  # this process wrote it, and no other can open it
    assert isinstance(plan, StackPlan)
    os.set_inheritable(plan.lock, False)
    return plan
