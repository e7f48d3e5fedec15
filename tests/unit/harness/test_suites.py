"""Suites that run side by side each stay with one worker while there are others to begin."""

from types import SimpleNamespace

import pytest

from tests.parallel import SuiteScheduling
from tests.suites import suite_of


@pytest.mark.parametrize(
    ("nodeid", "suite"),
    [
        ("tests/api/auth/test_sessions.py::test_x", "tests/api/auth"),
        ("tests/conformance/identity/oauth/test_x.py::TestY::test_z[a/b::c]", "tests/conformance/identity"),
        ("tests/api/test_pages.py::test_x", "tests/api"),
        ("tests/e2e/test_run.py::test_x", "tests/e2e"),
        ("tests/test_words.py::test_x", "tests/test_words.py"),
    ],
)
def test_a_suite_is_a_folder(nodeid: str, suite: str) -> None:
    assert suite_of(nodeid) == suite


class Worker:
    """What the scheduler uses of a worker: takes tests, by their place in the collection."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_a_worker_takes_the_files_of_its_suite_then_a_suite_of_its_own_then_helps(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    files = ["tests/a/1", "tests/a/2", "tests/b/1", "tests/b/2", "tests/b/3", "tests/b/4", "tests/c/1"]
    tests = [f"{file}.py::test_{number}" for file in files for number in range(3)]
    scheduling, (one, other) = SuiteScheduling(pytestconfig, None), (Worker(), Worker())
    for worker in (one, other):
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, tests)
    scheduling.schedule()

    def files_of(worker: Worker) -> list[str]:
        return list(dict.fromkeys(tests[index].partition(".py")[0] for index in worker.given))

    def finish(worker: Worker) -> None:
        for index in worker.given[:-1]:
            if not scheduling.assigned_work[worker][scheduling._split_scope(tests[index])][tests[index]]:
                scheduling.mark_test_complete(worker, index)

    assert (files_of(one)[0], files_of(other)[0]) == ("tests/a/1", "tests/b/1")
    for _ in range(3):
        finish(one)
    assert files_of(one) == ["tests/a/1", "tests/a/2", "tests/c/1", "tests/b/2"]
    for _ in range(2):
        finish(other)
    assert files_of(other) == ["tests/b/1", "tests/b/3", "tests/b/4"]
