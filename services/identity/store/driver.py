"""The driver below SQLAlchemy, for what never changes: readings, writings, and the ends of a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from services.identity.store.compiled_reads import FETCH, CompiledSelect, StaticSelect, Values
from services.identity.store.compiled_writes import RUN, WRITE, CompiledInsert, InsertResult, StaticInsert
from services.identity.store.connection_pool import LentConnection


class Driver:
    """Runs statements on lent connections. Each is compiled when it first runs. Errors are the driver's own."""

    def __init__(self, kind: str, dialect: Dialect) -> None:
        self._kind = kind
        self._dialect = dialect
        self._readings: dict[StaticSelect, CompiledSelect] = {}
        self._writings: dict[StaticInsert, CompiledInsert] = {}

    async def fetch(self, lent: LentConnection, reading: StaticSelect, values: Mapping[str, str]) -> Sequence[Values]:
        """Return the rows that a reading finds with these values."""
        compiled = self._readings.get(reading)
        if compiled is None:
            compiled = self._readings[reading] = CompiledSelect(reading, self._dialect)
        lent.begin_statement()
        rows = await FETCH[self._kind](lent.driver, compiled.text, compiled.parameters(values))
        return [compiled.decoded(row) for row in rows]

    async def write(self, lent: LentConnection, writing: StaticInsert, values: Mapping[str, Any]) -> InsertResult:
        """Run a writing with these values."""
        compiled = self._writings.get(writing)
        if compiled is None:
            compiled = self._writings[writing] = CompiledInsert(writing, self._dialect)
        lent.begin_statement()
        return await WRITE[self._kind](lent.driver, compiled, compiled.parameters(values))

    async def run(self, lent: LentConnection, text: str) -> None:
        """Run a statement that has no parameters and returns nothing."""
        lent.begin_statement()
        await RUN[self._kind](lent.driver, text)
