"""How a generated migration spells our column types."""

from typing import Any, Literal

from sqlalchemy import DateTime

from services.identity.store.schema.column_types import Ascii, Exact, Moment

TYPES = f"from {Moment.__module__} import Ascii, Exact, Moment"


def render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """Write our column types by their names, which mean the same on every engine.

    A column that is dropped is known as SQLite tells it: all times are Moments, but a text has lost its collation.
    """
    if kind != "type" or not isinstance(item, Moment | Ascii | Exact | DateTime):
        return False
    context.imports.add(TYPES)
    if isinstance(item, Moment | DateTime):
        return "Moment"
    return f"{type(item).__name__}({item.impl_instance.length})"  # type: ignore[attr-defined]  # its impl is a String
