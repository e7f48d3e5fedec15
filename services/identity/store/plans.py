"""Asks an engine how it would run a statement. The answer contains no values."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from asyncpg import PostgresError
from sqlalchemy import Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

# MySQL plans by the values, so it gets them. These columns of its plan name tables and indexes only: TiDB's column
# `operator info` would quote the values.
MYSQL_COLUMNS = ("table", "type", "key", "rows", "Extra", "id", "estRows", "access object")


@dataclass(frozen=True, slots=True)
class Explained:
    """A statement in an engine's SQL, with its parameters, which are personal data."""

    text: str
    parameters: tuple[Any, ...] = field(repr=False)

    @classmethod
    def of(cls, statement: Executable, values: Mapping[str, Any], dialect: Dialect) -> Self:
        """Compile a statement, with one placeholder for each value of an IN."""
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiled, SQLCompiler)
        known = dict(compiled.construct_params(dict(values)))
        for name, bound in compiled.binds.items():
            encode = bound.type.dialect_impl(dialect).bind_processor(dialect)
            if encode is not None and not bound.expanding:
                known[name] = encode(known[name])
        return cls(str(compiled), tuple(known[name] for name in compiled.positiontup or ()))


async def _of_mysql(connection: Any, statement: Explained) -> str:
    async with connection.cursor() as cursor:
        await cursor.execute("EXPLAIN " + statement.text, statement.parameters)
        names = [column[0] for column in cursor.description]
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
    shown = [(place, name) for place, name in enumerate(names) if name in MYSQL_COLUMNS]
    return "; ".join(" ".join(f"{name}={row[place]}" for place, name in shown) for row in rows)


async def _of_postgresql(connection: Any, statement: Explained) -> str:
    """Explain the generic plan, which is the same for all values and is asked for without them."""
    nulls = ", ".join(["NULL"] * len(statement.parameters))
    is_ours = not connection.is_in_transaction()  # behind a pooler, the connection is lent within one
    await connection.execute("BEGIN; SAVEPOINT trivet_slow" if is_ours else "SAVEPOINT trivet_slow")
    try:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE trivet_slow AS {statement.text}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE trivet_slow{f'({nulls})' if nulls else ''}")
    finally:
        await connection.execute("ROLLBACK TO SAVEPOINT trivet_slow")
        with contextlib.suppress(PostgresError):  # it was not prepared
            await connection.execute("DEALLOCATE trivet_slow")
        if is_ours:
            await connection.execute("ROLLBACK")
    return "; ".join(str(row[0]).strip() for row in rows)


async def _of_sqlite(connection: Any, statement: Explained) -> str:
    nothing = (None,) * len(statement.parameters)
    rows = await connection.execute_fetchall("EXPLAIN QUERY PLAN " + statement.text, nothing)
    return "; ".join(str(row[3]) for row in rows)


Explain = Callable[[Any, Explained], Awaitable[str]]
EXPLAIN: dict[str, Explain] = {"mysql": _of_mysql, "postgresql": _of_postgresql, "sqlite": _of_sqlite}


async def plan_of(kind: str, connection: Any, statement: Explained) -> str:
    """Return the plan as one line. Raises the driver's errors, for example if the user lacks a right."""
    return await EXPLAIN[kind](connection, statement)
