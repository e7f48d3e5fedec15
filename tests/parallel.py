"""Plugin: `pytest -n auto` runs suites side by side. A worker stays with a suite, so that it starts few servers."""

import os
from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.suites import suite_of

MOST_WORKERS = 8
"""A worker and its servers need up to 3 GiB."""
WHOLE = ("tests/conformance/importing",)
"""Suites with fixtures that are parametrized for all files at once: for each part of it they would be made again."""


class SuiteScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives out the tests by file: first those of the worker's suite, then of one that no worker has, then of any."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._suites: dict[WorkerController, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        suite = suite_of(nodeid)
        return suite if suite in WHOLE else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        left = Counter(map(suite_of, self.workqueue))
        suite = self._suites.get(node, "")
        if suite not in left:
            untouched = (each for each in left if each not in self._suites.values())
            suite = next(untouched, left.most_common(1)[0][0])
        self._suites[node] = suite
        self.workqueue.move_to_end(next(file for file in self.workqueue if suite_of(file) == suite), last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SuiteScheduling:
    config.option.loadscopereorder = False
    return SuiteScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: some tests wait, for a server or for a bound in time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # macOS has none
    return min(cores + 1, MOST_WORKERS)
