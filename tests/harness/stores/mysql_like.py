"""Servers that speak MySQL's protocol and that Debian stable lacks: MySQL and TiDB."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from tests.harness.ports import free_port
from tests.harness.stores.engines import (
    OWN_DATABASE,
    Engine,
    MissingEngineError,
    find,
    other_user,
    prepare,
    running,
    server_folder,
)

MYSQL_URL = "TRIVET_TEST_MYSQL_URL"
TIDB_URL = "TRIVET_TEST_TIDB_URL"


def sql_engines() -> tuple[str, ...]:
    """Return the SQL engines that a suite runs on: those that every machine can have, and those that this one has."""
    here = {"mysql": os.environ.get(MYSQL_URL) or mysqld(), "tidb": os.environ.get(TIDB_URL)}
    return ("sqlite", "mariadb", "postgresql", *(name for name, is_here in here.items() if is_here))


@cache
def mysqld() -> str | None:
    """Return the path of a MySQL server, None if there is none: MariaDB's packages install a `mysqld` as well."""
    try:
        program = find("mysqld")
    except MissingEngineError:
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    return program if version and "mariadb" not in version.lower() else None


@contextmanager
def mysql() -> Iterator[Engine]:
    """MySQL: the server of TRIVET_TEST_MYSQL_URL, else one of our own."""
    if url := os.environ.get(MYSQL_URL):
        yield Engine("mysql", url)
        return
    with own_mysql() as engine:
        yield engine


@contextmanager
def own_mysql() -> Iterator[Engine]:
    """A MySQL that tests can stop and kill, with a database `trivet` and a user of its own."""
    server, user = mysqld(), other_user("mysql")
    if server is None:
        raise MissingEngineError("no mysqld of MySQL's is on this machine")
    with server_folder("mysql", user) as folder:
        data, port = folder / "data", free_port()
        making = [server, "--no-defaults", "--initialize-insecure", f"--datadir={data}", f"--tmpdir={folder}"]
        prepare(making, user)
        init = folder / "init.sql"
        init.write_text(OWN_DATABASE)
        if user is not None:
            shutil.chown(init, user)
        command = [
            server,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={folder}/s",
            f"--tmpdir={folder}",
            "--bind-address=127.0.0.1",
            f"--port={port}",
            "--mysqlx=OFF",
            "--secure-file-priv=NULL",  # its default is a folder of the package
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            f"--pid-file={folder}/pid",
            f"--init-file={init}",
        ]
        with running(Engine("mysql", ""), command, port, folder, user=user) as engine:
            engine.url = f"mysql://trivet:trivet-test@127.0.0.1:{port}/trivet"
            yield engine


@contextmanager
def tidb() -> Iterator[Engine]:
    """TiDB, only by URL: an empty database of its own."""
    url = os.environ.get(TIDB_URL)
    if not url:
        raise MissingEngineError(f"{TIDB_URL} is not set")
    yield Engine("tidb", url)
