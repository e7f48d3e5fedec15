"""The driver below SQLAlchemy, for what never changes: readings, writings, and the ends of a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from services.identity.store.compiled_reads import FETCH, CompiledReading, Reading, Values
from services.identity.store.compiled_writes import SAY, WRITE, CompiledWriting, Writing, Written
from services.identity.store.connections import Lent


class Driver:
    """Runs statements on lent connections. Each is compiled when it first runs. Errors are the driver's own."""

    def __init__(self, kind: str, dialect: Dialect) -> None:
        self._kind = kind
        self._dialect = dialect
        self._readings: dict[Reading, CompiledReading] = {}
        self._writings: dict[Writing, CompiledWriting] = {}

    async def fetch(self, lent: Lent, reading: Reading, values: Mapping[str, str]) -> Sequence[Values]:
        """Return the rows that a reading finds with these values."""
        compiled = self._readings.get(reading)
        if compiled is None:
            compiled = self._readings[reading] = CompiledReading(reading, self._dialect)
        lent.begin_statement()
        rows = await FETCH[self._kind](lent.driver, compiled.text, compiled.parameters(values))
        return [compiled.decoded(row) for row in rows]

    async def write(self, lent: Lent, writing: Writing, values: Mapping[str, Any]) -> Written:
        """Run a writing with these values."""
        compiled = self._writings.get(writing)
        if compiled is None:
            compiled = self._writings[writing] = CompiledWriting(writing, self._dialect)
        lent.begin_statement()
        return await WRITE[self._kind](lent.driver, compiled, compiled.parameters(values))

    async def say(self, lent: Lent, text: str) -> None:
        """Run a statement that has no parameters and returns nothing."""
        lent.begin_statement()
        await SAY[self._kind](lent.driver, text)
