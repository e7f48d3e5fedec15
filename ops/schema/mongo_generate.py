"""Writes migrations of MongoDB from the difference between the collections in code and what the migrations make."""

import re
from pathlib import Path
from typing import Any

from pymongo import IndexModel

from services.notifications.domains import COLLECTIONS
from services.notifications.store.schema.changes import Change, Schema, SetValidator, changes_between
from services.notifications.store.schema.steps import FOLDER, steps

TEMPLATE = '''"""{sentence}."""

{imports}
migration = Migration(
    number={number},
    name={name!r},
    release={release!r},
    changes=({changes}),
)
'''
CHANGES = "services.notifications.store.schema.changes"


def difference() -> tuple[Change, ...]:
    """Return the changes that lead from what the migrations make to what the code declares."""
    return changes_between(Schema.after(steps()), Schema.declared(COLLECTIONS))


def generate(name: str, release: str, folder: Path = FOLDER) -> Path | None:
    """Write a migration with the difference; return its path, None without a difference."""
    changes = difference()
    if not changes:
        return None
    return write(name, release, changes, folder)


def write(name: str, release: str, changes: tuple[Change, ...], folder: Path = FOLDER) -> Path:
    """Write a migration with these changes; return its path."""
    number = max((step.number for step in steps()), default=0) + 1
    slug = re.sub(r"\W+", "_", name.lower()).strip("_")
    kinds = sorted({type(change).__name__ for change in changes} | {"Migration"})
    imports = (
        "from pymongo import IndexModel\n\n" if any(not isinstance(each, SetValidator) for each in changes) else ""
    )
    path = folder / f"{number:04}_{slug}.py"
    path.write_text(
        TEMPLATE.format(
            sentence=name[:1].upper() + name[1:],
            imports=f"{imports}from {CHANGES} import {', '.join(kinds)}\n",
            number=number,
            name=name,
            release=release,
            changes="".join(f"\n        {_spelled(change)}," for change in changes),
        ),
        encoding="utf-8",
    )
    return path


def _spelled(change: Change) -> str:
    if isinstance(change, SetValidator):
        return f"SetValidator({change.collection!r}, {dict(change.validator)!r}, {dict(change.before)!r})"
    return f"{type(change).__name__}({change.collection!r}, {_index(change.index)})"


def _index(index: IndexModel) -> str:
    options: dict[str, Any] = dict(index.document)
    keys = [(name, direction) for name, direction in dict(options.pop("key")).items()]
    return f"IndexModel({keys!r}, " + ", ".join(f"{name}={value!r}" for name, value in options.items()) + ")"
