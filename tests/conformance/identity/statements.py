"""What is sent to a database while somebody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from services.identity.database import Database

CONTROL = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass(frozen=True)
class Sent:
    """A statement as the driver gets it, its parameters, and the loan of a connection that it was sent on."""

    text: str
    parameters: Any
    loan: object = field(repr=False)

    @property
    def verb(self) -> str:
        return self.text.split()[0]


@contextmanager
def sent_to(database: Database) -> Iterator[list[Sent]]:
    """Collect the statements that are sent while inside."""
    sent: list[Sent] = []

    def record(connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append(Sent(statement, parameters, connection))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", record)


def work_of(sent: list[Sent]) -> list[Sent]:
    """Return the statements that are no transaction's beginning or end."""
    return [each for each in sent if not each.text.startswith(CONTROL)]
