"""Measures statements on the database driver by name, and logs slow ones with their plan."""

import contextlib
import logging
import time
from collections.abc import Mapping
from math import inf
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Executable
from sqlalchemy.engine import Dialect

from runtime.background.tasks import Tasks, TooManyTasksError
from runtime.telemetry.metrics import Histogram
from services.identity.store.connection_pool import ConnectionPool
from services.identity.store.plans import Explained, plan_of

logger = logging.getLogger(__name__)
SILENT_SECONDS = 60.0
TEXT_LENGTH = 2_000
VERBS = ("select", "insert", "update", "delete")

duration = Histogram(
    "trivet_statement_duration_seconds",
    "How long statements took at the database, without the wait for a connection.",
    ["system", "operation", "statement"],
    bounds=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
slow = Counter(
    "trivet_slow_statements_total",
    "Statements that took TRIVET_STORE_SLOW_MS or longer.",
    ["system", "operation", "statement"],
)


class StatementTimes:
    """Times of one database's statements. A name is an operation and a verb: `sessions.verify`, `select`.

    A slow statement is logged with the plan that the engine explains afterwards, on a connection of the pool. The text
    has placeholders, and the plan names tables, indexes and estimates: neither contains a value. A name is logged once
    in SILENT_SECONDS, and one plan is read at a time.
    """

    def __init__(
        self, kind: str, dialect: Dialect, pool: ConnectionPool, tasks: Tasks, *, slow_seconds: float, wait: float
    ) -> None:
        self._kind = kind
        self._dialect = dialect
        self._pool = pool
        self._tasks = tasks
        self._slow_seconds = slow_seconds or inf
        self._wait = wait
        self._silent_until: dict[tuple[str, str], float] = {}
        self._is_explaining = False

    def note(
        self, operation: str, verb: str, began: float, statement: Executable | str, values: Mapping[str, Any] | None
    ) -> None:
        """Record a statement that began at `began` (`time.perf_counter`) and has just ended or failed."""
        took = time.perf_counter() - began
        duration.of(self._kind, operation, verb).observe(took)
        if took >= self._slow_seconds:
            self._note_slow(operation, verb, took, statement, values)

    def _note_slow(
        self, operation: str, verb: str, took: float, statement: Executable | str, values: Mapping[str, Any] | None
    ) -> None:
        slow.labels(self._kind, operation, verb).inc()
        now = time.monotonic()
        if self._is_explaining or now < self._silent_until.get((operation, verb), 0.0):
            return
        self._silent_until[operation, verb] = now + SILENT_SECONDS
        if isinstance(statement, str):  # a COMMIT has no plan
            _log(operation, took, statement, "none")
            return
        with contextlib.suppress(TooManyTasksError):
            self._tasks.start(self._explain(operation, took, statement, values or {}))
            self._is_explaining = True

    async def _explain(self, operation: str, took: float, statement: Executable, values: Mapping[str, Any]) -> None:
        try:
            explained = Explained.of(statement, values, self._dialect)
            plan = await self._plan_of(explained)
            _log(operation, took, explained.text, plan)
        finally:
            self._is_explaining = False

    async def _plan_of(self, statement: Explained) -> str:
        try:
            async with self._pool.lend(self._wait) as lent:
                return await plan_of(self._kind, lent.driver, statement)
        except Exception as error:  # the statement is logged also if the engine cannot explain it
            return f"unknown ({type(error).__name__})"


def verb_of(statement: Executable) -> str:
    """Return `select`, `insert`, `update` or `delete`; `statement` for raw SQL."""
    verb = str(getattr(statement, "__visit_name__", ""))
    return verb if verb in VERBS else "statement"


def _log(operation: str, took: float, text: str, plan: str) -> None:
    event = "slow statement of %s: it took %d ms: %s; plan: %s"
    logger.warning(event, operation, round(took * 1_000), " ".join(text.split())[:TEXT_LENGTH], plan[:TEXT_LENGTH])
