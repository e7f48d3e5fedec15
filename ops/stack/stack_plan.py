"""What `trivet run` has decided, handed to the program that it becomes."""

import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

from ops.stack.process_spec import ProcessSpec
from ops.stack.running import Running

STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class StackPlan:
    """`tiers` are in the order of stopping, `lock` is the descriptor that holds the data folder."""

    tiers: Sequence[Sequence[ProcessSpec]]
    running: Running
    folder: Path
    addresses: Sequence[tuple[str, str]]
    lock: int
    began: float
    """By the monotonic clock, which goes on when a process becomes another program."""

    def spec(self, name: str) -> ProcessSpec:
        return next(spec for tier in self.tiers for spec in tier if spec.name == name)


def follow(plan: StackPlan) -> NoReturn:
    """Become `ops/stack/__main__.py`, in this process and under its id.

    All that was needed to decide, above all the settings of every process, would stay in memory as long as it runs.
    """
    with TemporaryFile() as file:  # it has no name: the keys in it are for nobody else
        pickle.dump(plan, file)
        file.seek(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # until there is somebody again who hears them
        for descriptor in (file.fileno(), plan.lock):
            os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, "-m", "ops.stack", str(file.fileno())])  # noqa: S606  # no shell is wanted


def handed_over(descriptor: int) -> StackPlan:
    """Return the plan that this process made before it became this program; hear again whoever would stop it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    with open(descriptor, "rb") as file:
        plan = pickle.load(file)  # noqa: S301  # ours, of a moment ago, from a file that nobody else can open
    assert isinstance(plan, StackPlan)
    os.set_inheritable(plan.lock, False)
    return plan
