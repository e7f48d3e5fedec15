"""Static INSERT statements, BEGIN and COMMIT: run on the driver, as static SELECTs are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert
from sqlalchemy.engine import Dialect

from services.identity.store.compiled_reads import CompiledStatement, Values


@dataclass(frozen=True, eq=False)
class StaticInsert:
    """An INSERT of one row that never changes. Its values are typed parameters."""

    statement: Insert


@dataclass(frozen=True, slots=True)
class InsertResult:
    """How many rows an INSERT wrote, and the generated key of the row, 0 without one."""

    rows: int
    key: int


class CompiledInsert(CompiledStatement):
    """An INSERT in one engine's SQL."""

    __slots__ = ("returns_key",)

    def __init__(self, insert: StaticInsert, dialect: Dialect) -> None:
        super().__init__(insert.statement, dialect)
        self.returns_key = bool(self.compiler.effective_returning)  # only PostgreSQL needs RETURNING for the key


async def _mysql(connection: Any, insert: CompiledInsert, parameters: Values) -> InsertResult:
    async with connection.cursor() as cursor:
        await cursor.execute(insert.text, parameters)
        return InsertResult(cursor.rowcount, cursor.lastrowid)


async def _postgresql(connection: Any, insert: CompiledInsert, parameters: Values) -> InsertResult:
    if insert.returns_key:
        keys = await connection.fetch(insert.text, *parameters)
        return InsertResult(len(keys), keys[0][0] if keys else 0)
    done: str = await connection.execute(insert.text, *parameters)  # "INSERT 0 1": the last word is the number of rows
    return InsertResult(int(done.rpartition(" ")[2]), 0)


async def _sqlite(connection: Any, insert: CompiledInsert, parameters: Values) -> InsertResult:
    async with connection.execute(insert.text, parameters) as cursor:
        return InsertResult(cursor.rowcount, cursor.lastrowid or 0)


Write = Callable[[Any, CompiledInsert, Values], Awaitable[InsertResult]]
WRITE: dict[str, Write] = {"mysql": _mysql, "postgresql": _postgresql, "sqlite": _sqlite}
"""Runs an INSERT on the driver of each kind of engine."""


async def _run_on_mysql(connection: Any, text: str) -> None:
    await connection.query(text)


async def _run_on_postgresql(connection: Any, text: str) -> None:
    await connection.execute(text)  # a statement without parameters is not prepared


async def _run_on_sqlite(connection: Any, text: str) -> None:
    await connection.execute_fetchall(text)


Run = Callable[[Any, str], Awaitable[None]]
RUN: dict[str, Run] = {"mysql": _run_on_mysql, "postgresql": _run_on_postgresql, "sqlite": _run_on_sqlite}
"""Runs a statement without parameters and rows on the driver of each kind of engine: BEGIN and COMMIT."""
