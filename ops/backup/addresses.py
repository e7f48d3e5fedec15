"""The addresses of the stores that a command works on: those of the settings, else the embedded stack's."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ops.backup.scratch.processes import ended, wait_for_port
from ops.backup.settings import BackupSettings
from ops.errors import WrongSettings
from ops.identity.database import url
from ops.stack import stores
from ops.stack.data_folder import locked
from ops.stack.ports import STORES_HOST, free_run
from ops.stack.running import found
from services.identity.store.engine import store_url
from services.identity.store.engine.store_url import StoreUrl


@dataclass(frozen=True, slots=True)
class StoreAddresses:
    """Where each store is; `redis` is empty if there is none."""

    sql: str = field(repr=False)
    mongodb: str = field(repr=False)
    redis: str = field(default="", repr=False)

    @property
    def store(self) -> StoreUrl:
        return store_url.parse(self.sql)


@contextmanager
def of_stack(settings: BackupSettings, *, stopped: bool = False) -> Iterator[StoreAddresses]:
    """Yield the stack's addresses. An embedded MongoDB runs until the end of the block at least.

    With `stopped` the embedded stack must not run meanwhile. Raises CommandFailed if it does, WrongSettings for a
    store that is missing in the settings.
    """
    mongodb, redis = settings.mongodb_uri.get_secret_value(), settings.redis_url.get_secret_value()
    if not mongodb and settings.is_production:
        raise WrongSettings("set MONGODB_URI: production never runs on embedded stores")
    folder = settings.data_folder
    with ExitStack() as stack:
        running = found(folder)
        if stopped and not (mongodb and stores.is_given("sql", os.environ)):
            stack.enter_context(locked(folder))
            running = None
        if running is not None:
            mongodb = mongodb or running.stores.get("MONGODB_URI", "")
            redis = redis or running.stores.get("REDIS_URL", "")
        if not mongodb:
            if not stopped:
                stack.enter_context(locked(folder))
            mongodb = stack.enter_context(_secantusdb(folder))
        yield StoreAddresses(url(may_be_new=stopped), mongodb, redis)


@contextmanager
def _secantusdb(folder: Path) -> Iterator[str]:
    """Run the embedded MongoDB of a stack that is stopped."""
    port = free_run(STORES_HOST, 1)
    spec = stores.secantusdb(folder, port)
    with (folder / "secantusdb.log").open("ab") as log:
        process = subprocess.Popen(list(spec.command), env=dict(spec.environment), stdout=log, stderr=log)
    with ended(process):
        wait_for_port(port, process)
        yield f"mongodb://{STORES_HOST}:{port}"
