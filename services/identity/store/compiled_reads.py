"""Static SELECT statements: compiled once, run on the driver, and decoded by the types of their columns.

SQLAlchemy's execution (a greenlet, a context, a result, named rows) costs several times as much as the driver's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Values = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class StaticSelect:
    """A SELECT that never changes, with string parameters. `operation` is its label in metrics."""

    operation: str
    statement: Select[Any]


class CompiledStatement:
    """A statement in one engine's SQL. Its parameters are encoded by their types."""

    __slots__ = ("_constants", "_encoders", "_names", "compiler", "text")

    def __init__(self, statement: Select[Any] | Insert, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self.compiler = compiled
        self.text = str(compiled)
        self._names: Sequence[str] = compiled.positiontup or ()
        self._constants: Mapping[str, Any] = compiled.params
        types = {name: bound.type.dialect_impl(dialect) for name, bound in compiled.binds.items()}
        encoders = ((name, kind.bind_processor(dialect)) for name, kind in types.items())
        self._encoders = [(name, encode) for name, encode in encoders if encode is not None]

    def parameters(self, values: Mapping[str, Any]) -> Values:
        """Return the values and the statement's constants in the order of its placeholders."""
        known = {**self._constants, **values}
        for name, encode in self._encoders:
            known[name] = encode(known[name])
        return tuple([known[name] for name in self._names])


class CompiledSelect(CompiledStatement):
    """A SELECT in one engine's SQL."""

    __slots__ = ("_decoders",)

    def __init__(self, select: StaticSelect, dialect: Dialect) -> None:
        super().__init__(select.statement, dialect)
        types = (column.type.dialect_impl(dialect) for column in select.statement.selected_columns)
        decoders = (kind.result_processor(dialect, None) for kind in types)
        self._decoders = [(place, decode) for place, decode in enumerate(decoders) if decode is not None]

    def decoded(self, row: Sequence[Any]) -> Values:
        """Return a row of the driver, decoded by the types of the columns."""
        values = list(row)
        for place, decode in self._decoders:
            values[place] = decode(values[place])
        return tuple(values)


async def _mysql(connection: Any, text: str, parameters: Values) -> Sequence[Sequence[Any]]:
    async with connection.cursor() as cursor:
        await cursor.execute(text, parameters)
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
        return rows


async def _postgresql(connection: Any, text: str, parameters: Values) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = await connection.fetch(text, *parameters)
    return rows


async def _sqlite(connection: Any, text: str, parameters: Values) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = await connection.execute_fetchall(text, parameters)
    return rows


Fetch = Callable[[Any, str, Values], Any]
FETCH: dict[str, Fetch] = {"mysql": _mysql, "postgresql": _postgresql, "sqlite": _sqlite}
"""Runs a statement on the driver of each kind of engine, and returns the rows."""
