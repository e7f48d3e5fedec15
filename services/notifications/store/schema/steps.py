"""The migrations of this version, from the files in `migrations/`."""

from functools import cache
from importlib import import_module
from pathlib import Path

from services.notifications.store.schema import migrations
from services.notifications.store.schema.changes import Migration

FOLDER = Path(migrations.__file__).parent


@cache
def steps() -> tuple[Migration, ...]:
    """Return the migrations, oldest first."""
    names = sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))
    found = (import_module(f"{migrations.__name__}.{name}").migration for name in names)
    return tuple(sorted(found, key=lambda each: each.number))
