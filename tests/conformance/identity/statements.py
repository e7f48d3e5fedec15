"""What is sent to a database while somebody looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from services.identity.database import Database
from services.identity.reading import FETCH

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
    loans: dict[object, object] = {}

    def record(connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not (connection in loans and _is_in_transaction(sent, loans[connection])):
            loans[connection] = object()
        sent.append(Sent(statement, parameters, loans[connection]))

    fetch = FETCH[database.kind]

    async def recorded(connection: object, text: str, parameters: Any) -> Any:
        sent.append(Sent(text, parameters, object()))
        return await fetch(connection, text, parameters)

    database.connections.drop_idle()  # a connection hears of those listeners alone that were there before it
    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", record)
    FETCH[database.kind] = recorded
    try:
        yield sent
    finally:
        FETCH[database.kind] = fetch
        event.remove(engine, "before_cursor_execute", record)


def _is_in_transaction(sent: list[Sent], loan: object) -> bool:
    verbs = [each.verb for each in sent if each.loan is loan]
    return "BEGIN" in verbs and not {"COMMIT", "ROLLBACK"} & set(verbs)


def work_of(sent: list[Sent]) -> list[Sent]:
    """Return the statements that are no transaction's beginning or end."""
    return [each for each in sent if not each.text.startswith(CONTROL)]
