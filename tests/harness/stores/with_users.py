"""SecantusDB that asks for a password, with an administrator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient

from tests.harness.ports import free_port
from tests.harness.stores.engines import Engine, running, secantusdb_command, server_folder

ADMIN = "administrator"
PASSWORD = "administrator-of-tests"


@contextmanager
def secantusdb_with_users() -> Iterator[Engine]:
    """SecantusDB, started once to make the administrator, and again with `--auth`."""
    with server_folder("secantusdb", None) as folder:
        port = free_port()
        engine = Engine("secantusdb", f"mongodb://127.0.0.1:{port}")
        command = secantusdb_command(folder, port)
        with running(engine, command, port, folder), MongoClient[Any](engine.url) as client:
            client.admin.command({"createUser": ADMIN, "pwd": PASSWORD, "roles": ["root"]})
        engine.url = f"mongodb://{ADMIN}:{PASSWORD}@127.0.0.1:{port}"
        with running(engine, [*command, "--auth"], port, folder):
            yield engine
