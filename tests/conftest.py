"""Engines that suites run on: each started once per run, and named in the report, found or missing."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.harness import engines, mysql_like, pooling
from tests.harness.engines import Engine, MissingEngineError

STARTERS: dict[str, Callable[[], object]] = {
    "mariadb": engines.mariadb,
    "mysql": mysql_like.mysql,
    "own mysql": mysql_like.own_mysql,
    "tidb": mysql_like.tidb,
    "postgresql": engines.postgresql,
    "pgbouncer": pooling.pgbouncer,
    "redis": engines.redis,
    "valkey": engines.valkey,
    "secantusdb": engines.secantusdb,
    "mongodb": engines.mongodb,
}
found: dict[str, str] = {}


class Engines:
    """Starts each engine when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, Engine] = {}

    def get(self, name: str) -> Engine:
        """Return the running engine. Skips the test if it is missing here, fails it if TRIVET_TEST_REQUIRE=all."""
        if name not in self._running:
            try:
                self._running[name] = self._stack.enter_context(STARTERS[name]())  # type: ignore[arg-type]
            except MissingEngineError as error:
                found[name] = f"missing: {error}"
                if os.environ.get("TRIVET_TEST_REQUIRE") == "all":
                    pytest.fail(str(error))
                pytest.skip(str(error))
            found[name] = "ran"
        return self._running[name]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engines]:
    """Engines by name, shared by the whole run: `engine.get("mariadb").url`."""
    with ExitStack() as stack:
        yield Engines(stack)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each engine that ran and each that was missing."""
    terminalreporter.section("engines")
    for name in STARTERS:
        terminalreporter.line(f"{name:12} {found.get(name, 'not asked for')}")
