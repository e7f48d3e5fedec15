"""Engines that suites run on: each started once per run, and named in the report, found or missing."""

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from tests.harness.stores import engines, mysql_like, pgbouncer
from tests.harness.stores.engines import Engine, MissingEngineError

pytest_plugins = ["tests.suites", "tests.parallel"]

STARTERS: dict[str, Callable[[], AbstractContextManager[Engine]]] = {
    "mariadb": engines.mariadb,
    "mysql": mysql_like.mysql,
    "own mysql": mysql_like.own_mysql,
    "tidb": mysql_like.tidb,
    "postgresql": engines.postgresql,
    "pgbouncer": pgbouncer.pgbouncer,
    "redis": engines.redis,
    "valkey": engines.valkey,
    "secantusdb": engines.secantusdb,
    "mongodb": engines.mongodb,
}
RAN = "ran"
found: dict[str, str] = {}


class Engines:
    """Starts each engine when it is first asked for."""

    def __init__(self, stack: ExitStack, chosen: Collection[str]) -> None:
        self._stack = stack
        self._chosen = chosen
        self._running: dict[str, Engine] = {}

    def get(self, name: str) -> Engine:
        """Return the running engine. Skips the test if it is missing here, fails it if TRIVET_TEST_REQUIRE=all.

        Skips it as well if `--engines` names others only.
        """
        if self._chosen and name not in self._chosen:
            pytest.skip(f"--engines leaves {name} out")
        if name not in self._running:
            try:
                self._running[name] = self._stack.enter_context(STARTERS[name]())
            except MissingEngineError as error:
                found[name] = f"missing: {error}"
                if os.environ.get("TRIVET_TEST_REQUIRE") == "all":
                    pytest.fail(str(error))
                pytest.skip(str(error))
            found[name] = RAN
        return self._running[name]


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Iterator[Engines]:
    """Engines by name, shared by the whole run, of a worker if there are several: `engine.get("mariadb").url`."""
    with ExitStack() as stack:
        yield Engines(stack, chosen(pytestconfig))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engines", default="", help="run on these engines alone, as in sqlite,valkey")


def chosen(config: pytest.Config) -> set[str]:
    """Return the engines that `--engines` names; empty without it, which means all."""
    return set(filter(None, config.getoption("engines").split(",")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is parametrized by an engine that `--engines` does not name."""
    if wanted := chosen(config):
        others = {"sqlite", *STARTERS} - wanted
        config.hook.pytest_deselected(items=[item for item in items if others & texts_of(item)])
        items[:] = [item for item in items if not others & texts_of(item)]


def texts_of(item: pytest.Item) -> set[str]:
    """Return the texts that a test is parametrized by; the names of engines are among them."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {value for value in parameters if isinstance(value, str)}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker tell the first process which engines it ran."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["engines"] = found


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for name, outcome in getattr(node, "workeroutput", {}).get("engines", {}).items():
        if found.get(name) != RAN:
            found[name] = outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each engine that ran and each that was missing."""
    terminalreporter.section("engines")
    for name in STARTERS:
        terminalreporter.line(f"{name:12} {found.get(name, 'not asked for')}")
