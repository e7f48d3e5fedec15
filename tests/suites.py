"""Plugin: a suite is a folder of tests. Names each when its last test ends, and lists their times at the end."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

WIDTH = 34


def suite_of(nodeid: str) -> str:
    """Return the suite of a test: its folder, at most two below tests/. A file beside the folders is a suite itself."""
    folders = nodeid.partition("::")[0].split("/")
    return "/".join(folders[:3] if len(folders) > 3 else folders[:2])


class Suites:
    """Counts the tests of each suite and adds up their times, in one process or, of all workers, in the first."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._left: Counter[str] = Counter()
        self._seconds: Counter[str] = Counter()
        self._outcomes: dict[str, Counter[str]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        self._expect(ids)

    def _expect(self, nodeids: Iterable[str]) -> None:
        """Take the first collection: all workers collect the same, and one that replaces a dead one does so late."""
        self._left = self._left or Counter(map(suite_of, nodeids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test: setup, call or teardown."""
        suite = suite_of(report.nodeid)
        self._seconds[suite] += report.duration  # type: ignore[assignment]  # a Counter adds floats as well
        category = self._config.hook.pytest_report_teststatus(report=report, config=self._config)[0]
        if category:
            self._outcomes.setdefault(suite, Counter())[category] += 1
        if report.failed:
            self._write(f"{category}: {report.nodeid}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        suite = suite_of(nodeid)
        self._left[suite] -= 1
        if not self._left[suite]:
            self._write(self._line(suite))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the suites, the longest first."""
        terminalreporter.section("suites")
        for suite, _ in self._seconds.most_common():
            terminalreporter.line(self._line(suite))

    def _line(self, suite: str) -> str:
        counts = ", ".join(f"{count} {category}" for category, count in sorted(self._outcomes.get(suite, {}).items()))
        return f"{suite:{WIDTH}} {self._seconds[suite]:7.1f} s  {counts}"

    def _write(self, line: str) -> None:
        out = self._config.get_terminal_writer()
        if out.width_of_current_line:
            out.line()
        out.line(line)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Suites(config), "suites")
