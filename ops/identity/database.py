"""Identity's database: its URL, and work on it with advice for the operator.

SQLAlchemy and Alembic are imported in the functions that use them, so that other subcommands start three times faster.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ops.errors import WrongSettings
from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.data_folder import make_folder
from ops.stack.stores import is_given, sqlite_file, sqlite_url
from ops.store_wait import once_it_answers

T = TypeVar("T")


def url(*, may_be_new: bool = False) -> str:
    """Return the URL of the stack's database: the one in the settings, else the SQLite file of the embedded stack.

    Raises WrongSettings if the SQLite file does not exist, unless it `may_be_new`.
    """
    if is_given("sql", os.environ):
        from services.identity.store.engine.settings import StoreSettings

        store = read_settings(StoreSettings)  # these commands do not need the service's keys
        file = Path(store.store.url.database or "") if store.store.kind == "sqlite" else None
        if file is not None and not may_be_new and not file.exists():
            raise WrongSettings(
                f"there is no database {file}: check DATABASE_URL, or create it with `trivet db migrate`"
            )
        return store.address
    settings = read_settings(OpsSettings)
    if settings.is_production:
        raise WrongSettings("set DATABASE_URL: production never runs on embedded stores")
    if may_be_new:
        return sqlite_url(make_folder(settings.data_folder))
    file = sqlite_file(settings.data_folder)
    if not file.exists():
        raise WrongSettings(
            f"there is no database {file}: create it with `trivet run` or `trivet db migrate`, choose another folder "
            "with TRIVET_DATA or TRIVET_HTTP_PORT, or set DATABASE_URL"
        )
    return sqlite_url(settings.data_folder)


def once_there(work: Callable[[], T], address: str, *, wait: bool = False) -> T:
    """Do the work, with `wait` once the database answers. Raises CommandFailed with advice for the operator."""
    from ops.identity.database_failures import explained
    from services.identity.store.schema.lock import MigrationLockError

    def explained_work() -> T:
        with explained(address):
            return work()

    return once_it_answers("the database", explained_work, locked=MigrationLockError, wait=wait)
