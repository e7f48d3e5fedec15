"""What is sent to a database while somebody looks."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from services.identity.store.compiled_reads import FETCH
from services.identity.store.compiled_writes import RUN, WRITE, CompiledInsert
from services.identity.store.database import Database

ENDS = ("COMMIT", "ROLLBACK")
CONTROL = ("BEGIN", *ENDS)


@dataclass(frozen=True)
class Sent:
    """A statement as the driver gets it, its parameters, and the loan of a connection that it was sent on."""

    text: str
    parameters: Any
    loan: object = field(repr=False)

    @property
    def verb(self) -> str:
        return self.text.split()[0]


Hook = Callable[[object, str, Any], Awaitable[None]]
"""Awaited with the driver's connection, a statement's text and its parameters."""


@contextmanager
def before_driver(database: Database, hook: Hook) -> Iterator[None]:
    """Have `hook` awaited before each statement that goes to the driver itself, past SQLAlchemy."""
    kind = database.kind
    fetch, write, say = FETCH[kind], WRITE[kind], RUN[kind]

    async def hooked_fetch(connection: object, text: str, parameters: Any) -> Any:
        await hook(connection, text, parameters)
        return await fetch(connection, text, parameters)

    async def hooked_write(connection: object, writing: CompiledInsert, parameters: Any) -> Any:
        await hook(connection, writing.text, parameters)
        return await write(connection, writing, parameters)

    async def hooked_say(connection: object, text: str) -> None:
        await hook(connection, text, ())
        await say(connection, text)

    FETCH[kind], WRITE[kind], RUN[kind] = hooked_fetch, hooked_write, hooked_say
    try:
        yield
    finally:
        FETCH[kind], WRITE[kind], RUN[kind] = fetch, write, say


@contextmanager
def sent_to(database: Database) -> Iterator[list[Sent]]:
    """Collect the statements that are sent while inside."""
    sent: list[Sent] = []
    loans: dict[int, object] = {}

    def record(connection: object, text: str, parameters: Any) -> None:
        if not (id(connection) in loans and _is_in_transaction(sent, loans[id(connection)])):
            loans[id(connection)] = object()
        sent.append(Sent(text, parameters, loans[id(connection)]))

    async def on_driver(connection: object, text: str, parameters: Any) -> None:
        record(connection, text, parameters)

    def by_sqlalchemy(connection: Any, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        record(connection.connection.driver_connection, statement, parameters)

    database.pool.drop_idle()  # a connection hears of those listeners alone that were there before it
    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", by_sqlalchemy)
    try:
        with before_driver(database, on_driver):
            yield sent
    finally:
        event.remove(engine, "before_cursor_execute", by_sqlalchemy)


def _is_in_transaction(sent: list[Sent], loan: object) -> bool:
    verbs = [each.verb for each in sent if each.loan is loan]
    return "BEGIN" in verbs and not set(ENDS) & set(verbs)


def work_of(sent: list[Sent]) -> list[Sent]:
    """Return the statements that are no transaction's beginning or end."""
    return [each for each in sent if not each.text.startswith(CONTROL)]
