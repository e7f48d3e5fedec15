"""Runs static statements, BEGIN and COMMIT on the database driver, without SQLAlchemy's execution."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from services.identity.store.compiled_reads import FETCH, CompiledSelect, StaticSelect, Values
from services.identity.store.compiled_writes import RUN, WRITE, CompiledInsert, InsertResult, StaticInsert
from services.identity.store.connection_pool import LentConnection
from services.identity.store.statement_times import StatementTimes


class Driver:
    """Runs statements on lent connections. Compiles each at its first run. Raises the driver's own errors."""

    def __init__(self, kind: str, dialect: Dialect, times: StatementTimes) -> None:
        self._kind = kind
        self._dialect = dialect
        self._times = times
        self._selects: dict[StaticSelect, CompiledSelect] = {}
        self._inserts: dict[StaticInsert, CompiledInsert] = {}

    async def fetch(self, lent: LentConnection, select: StaticSelect, values: Mapping[str, str]) -> Sequence[Values]:
        """Return the rows of a SELECT with these parameter values."""
        compiled = self._selects.get(select)
        if compiled is None:
            compiled = self._selects[select] = CompiledSelect(select, self._dialect)
        lent.begin_statement()
        began = time.perf_counter()
        try:
            rows = await FETCH[self._kind](lent.driver, compiled.text, compiled.parameters(values))
        finally:
            self._times.note(select.operation, "select", began, select.statement, values)
        return [compiled.decoded(row) for row in rows]

    async def write(
        self, lent: LentConnection, operation: str, insert: StaticInsert, values: Mapping[str, Any]
    ) -> InsertResult:
        """Run an INSERT with these parameter values. `operation` is its label in metrics."""
        compiled = self._inserts.get(insert)
        if compiled is None:
            compiled = self._inserts[insert] = CompiledInsert(insert, self._dialect)
        lent.begin_statement()
        began = time.perf_counter()
        try:
            return await WRITE[self._kind](lent.driver, compiled, compiled.parameters(values))
        finally:
            self._times.note(operation, "insert", began, insert.statement, values)

    async def run(self, lent: LentConnection, text: str) -> None:
        """Run a statement without parameters and rows."""
        lent.begin_statement()
        await RUN[self._kind](lent.driver, text)

    async def commit(self, lent: LentConnection, operation: str) -> None:
        """Commit the transaction of an operation."""
        began = time.perf_counter()
        try:
            await self.run(lent, "COMMIT")
        finally:
            self._times.note(operation, "commit", began, "COMMIT", None)
