"""Starts servers of the same engines as a backup's, each on a free port in a folder that is removed with it."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from ops.backup.addresses import StoreAddresses
from ops.backup.manifest import Manifest
from ops.backup.scratch.processes import START_SECONDS, ended, wait_for_port
from ops.backup.temporary import temporary_folder
from ops.backup.tools import find, inherited
from ops.errors import CommandFailed
from ops.stack import stores
from ops.stack.ports import STORES_HOST, free_run

HOST = STORES_HOST
USER = "trivet"
OTHER_USERS = {"mariadb": "mysql", "mysql": "mysql", "postgresql": "postgres"}
"""Who runs a server if this is root, whom these servers refuse."""


@contextmanager
def scratch_stores(manifest: Manifest, sql: str, mongodb: str) -> Iterator[StoreAddresses]:
    """Yield empty stores for a backup: those given, and a server of the same engine for each that is not."""
    with ExitStack() as stack:
        engine = manifest.of("sql")[0].engine
        if not sql:
            sql = stack.enter_context(SQL_SERVERS[engine]())
        if not mongodb:
            mongodb = stack.enter_context(_mongodb(manifest.of("mongodb")[0].engine))
        yield StoreAddresses(sql, mongodb)


@contextmanager
def _sqlite() -> Iterator[str]:
    with _folder("") as folder:
        yield f"sqlite:///{folder}/scratch.db"


@contextmanager
def _mariadb() -> Iterator[str]:
    server, install, user = find(["mariadbd"], "mariadb-server"), find(["mariadb-install-db"], "mariadb-server"), ""
    user = _other_user("mariadb")
    with _folder(user) as folder:
        making = [install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal"]
        _make(_as(user, [*making, f"--tmpdir={folder}"]), "mariadb-install-db")
        with _mysql_like(server, folder, user) as url:
            yield f"mariadb://{url}"


@contextmanager
def _mysql() -> Iterator[str]:
    server, user = find(["mysqld"], "mysql-server"), _other_user("mysql")
    with _folder(user) as folder:
        _make(_as(user, [server, "--no-defaults", "--initialize-insecure", f"--datadir={folder}/data"]), "mysqld")
        with _mysql_like(server, folder, user, "--mysqlx=OFF", "--secure-file-priv=NULL") as url:
            yield f"mysql://{url}"


@contextmanager
def _mysql_like(server: str, folder: Path, user: str, *options: str) -> Iterator[str]:
    port, password = free_run(HOST, 1), secrets.token_hex(16)
    init = folder / "init.sql"
    init.write_text(
        f"CREATE DATABASE trivet;\nCREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON trivet.* TO '{USER}'@'{HOST}';\nGRANT PROCESS ON *.* TO '{USER}'@'{HOST}';\n"
    )
    _give(init, user)
    command = [server, "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/s", f"--tmpdir={folder}"]
    command += [f"--bind-address={HOST}", f"--port={port}", f"--pid-file={folder}/pid", f"--init-file={init}"]
    with _running(_as(user, [*command, "--skip-name-resolve", *options]), folder, port):
        yield f"{USER}:{password}@{HOST}:{port}/trivet"


@contextmanager
def _postgresql() -> Iterator[str]:
    server, initdb = find(["postgres"], "postgresql"), find(["initdb"], "postgresql")
    user, port, password = _other_user("postgresql"), free_run(HOST, 1), secrets.token_hex(16)
    with _folder(user) as folder:
        (folder / "password").write_text(password)
        _give(folder / "password", user)
        making = [initdb, "-D", f"{folder}/data", "-U", USER, "-A", "scram-sha-256", f"--pwfile={folder}/password"]
        _make(_as(user, [*making, "-E", "UTF8", "--no-sync"]), "initdb")
        command = [server, "-D", f"{folder}/data", "-h", HOST, "-p", str(port), "-k", str(folder)]
        with _running(_as(user, command), folder, port):
            url = f"postgresql://{USER}:{password}@{HOST}:{port}/postgres"
            _wait_for_log_in(url)
            yield url


@contextmanager
def _mongodb(engine: str) -> Iterator[str]:
    """MongoDB where it is installed, else SecantusDB, which takes the same documents."""
    port = free_run(HOST, 1)
    with _folder("") as folder:
        try:
            command = [find(["mongod"], "mongodb-org-server"), "--dbpath", str(folder), "--port", str(port)]
            command += ["--bind_ip", HOST]
        except CommandFailed:
            program = Path(sys.executable).parent / "secantusd-py"
            if not program.exists():
                raise CommandFailed(f"no server of {engine} is installed: give --mongodb-uri") from None
            command = list(stores.secantusdb(folder, port).command)
        with _running(command, folder, port):
            yield f"mongodb://{HOST}:{port}"


SQL_SERVERS = {"sqlite": _sqlite, "mariadb": _mariadb, "mysql": _mysql, "postgresql": _postgresql}


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    with temporary_folder() as folder:
        _give(folder, user)
        yield folder


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            list(command), env=inherited(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
        )
    with ended(process):
        wait_for_port(port, process)
        yield


def _make(command: Sequence[str], name: str) -> None:
    done = subprocess.run(list(command), env=inherited(), capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise CommandFailed(f"{name} could not make a scratch server: {said[-1] if said else done.returncode}")


def _wait_for_log_in(url: str) -> None:
    """Return once the server takes a log-in: it listens before that."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _other_user(engine: str) -> str:
    """Return the user to run a server as, empty if it can be this one."""
    if os.geteuid() != 0:
        return ""
    for name in (OTHER_USERS[engine], "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise CommandFailed("this is root, and there is no other user to run a scratch server as: give --sql-url")


def _as(user: str, command: Sequence[str]) -> list[str]:
    if not user:
        return list(command)
    group = pwd.getpwnam(user).pw_gid
    return [find(["setpriv"], "util-linux"), f"--reuid={user}", f"--regid={group}", "--clear-groups", *command]


def _give(path: Path, user: str) -> None:
    path.chmod(0o700 if path.is_dir() else 0o600)
    if user:
        shutil.chown(path, user)
