"""Identity's database: its URL, and work on it with advice for the operator.

SQLAlchemy and Alembic are imported in the functions that use them, so that other subcommands start three times faster.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ops.errors import CommandFailed, WrongSettings
from ops.output import note
from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack.data_folder import make_folder
from ops.stack.stores import is_given, sqlite_file, sqlite_url

T = TypeVar("T")
TRY_EVERY_SECONDS = 0.5


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

    said = ""
    while True:
        try:
            with explained(address):
                return work()
        except MigrationLockError as error:
            raise CommandFailed(
                f"another migration has been under way for over a minute, by {error}: try again when it ends"
            ) from None
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        except WrongSettings:
            raise
        except CommandFailed as refusal:
            if not wait:
                raise
            if str(refusal) != said:
                said = str(refusal)
                note(f"waiting for the database to answer: {said}")
        time.sleep(TRY_EVERY_SECONDS)
