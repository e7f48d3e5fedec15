"""Inserts that never change, and the ends of a transaction: run on the driver itself, as readings are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.engine import Dialect

from services.identity.store.compiled_reads import CompiledStatement, Values


@dataclass(frozen=True, eq=False)
class StaticInsert:
    """An INSERT of one row. Its values are parameters, each with a type."""

    statement: Insert


@dataclass(frozen=True, slots=True)
class InsertResult:
    """How many rows an insert has written, and the key that the engine counted up for the row; 0 if it counts none."""

    rows: int
    key: int


class CompiledInsert(CompiledStatement):
    """A writing in one engine's words."""

    __slots__ = ("returns_key",)

    def __init__(self, writing: StaticInsert, dialect: Dialect) -> None:
        super().__init__(writing.statement, dialect)
        self.returns_key = bool(self.compiler.effective_returning)  # only PostgreSQL has no other way to tell the key


async def _mysql(connection: Any, writing: CompiledInsert, parameters: Values) -> InsertResult:
    async with connection.cursor() as cursor:
        await cursor.execute(writing.text, parameters)
        return InsertResult(cursor.rowcount, cursor.lastrowid)


async def _postgresql(connection: Any, writing: CompiledInsert, parameters: Values) -> InsertResult:
    if writing.returns_key:
        keys = await connection.fetch(writing.text, *parameters)
        return InsertResult(len(keys), keys[0][0] if keys else 0)
    done: str = await connection.execute(writing.text, *parameters)  # "INSERT 0 1": the rows come last
    return InsertResult(int(done.rpartition(" ")[2]), 0)


async def _sqlite(connection: Any, writing: CompiledInsert, parameters: Values) -> InsertResult:
    async with connection.execute(writing.text, parameters) as cursor:
        return InsertResult(cursor.rowcount, cursor.lastrowid or 0)


Write = Callable[[Any, CompiledInsert, Values], Awaitable[InsertResult]]
WRITE: dict[str, Write] = {"mysql": _mysql, "postgresql": _postgresql, "sqlite": _sqlite}
"""How each engine's driver runs an insert."""


async def _run_on_mysql(connection: Any, text: str) -> None:
    await connection.query(text)


async def _run_on_postgresql(connection: Any, text: str) -> None:
    await connection.execute(text)  # without parameters it is not prepared


async def _run_on_sqlite(connection: Any, text: str) -> None:
    await connection.execute_fetchall(text)


Run = Callable[[Any, str], Awaitable[None]]
RUN: dict[str, Run] = {"mysql": _run_on_mysql, "postgresql": _run_on_postgresql, "sqlite": _run_on_sqlite}
"""How each engine's driver begins and ends a transaction."""
