"""Files that tell the engines' tools where the database is, so that no password is in an argument or a variable.

They are in a folder that only this user can read, and are removed with it.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ops.backup.temporary import temporary_folder
from services.identity.store.engine.store_url import StoreUrl
from services.identity.store.engine.url_parameters import CHAIN_IS_VERIFIED, NAME_IS_VERIFIED, UNPROTECTED

ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


@contextmanager
def mysql_options(store: StoreUrl, *, is_mariadb: bool) -> Iterator[str]:
    """Yield the path of an option file for the tools of MariaDB, or of MySQL, which name TLS otherwise."""
    url, parameters = store.url, store.parameters
    options = {"host": url.host or "", "port": str(url.port or 3306), "user": url.username or ""}
    options |= {"password": str(url.password or "")}
    if parameters.socket:
        options["socket"] = parameters.socket
    else:
        options["protocol"] = "tcp"  # they take `localhost` for the default socket
    tls = parameters.tls
    options |= {f"ssl-{name}": tls[name] for name in ("ca", "cert", "key") if name in tls}
    mode = tls.get("mode", "verify-ca" if "ca" in tls else "")
    if not is_mariadb:
        options["ssl-mode"] = _ssl_mode(mode)
    elif mode not in UNPROTECTED:
        options |= {"ssl": "1", "ssl-verify-server-cert": str(int(mode in NAME_IS_VERIFIED))}
    lines = [f'{name}="{value.translate(ESCAPES)}"' for name, value in options.items() if value]
    with temporary_folder() as folder:
        yield str(_written(folder / "my.cnf", "\n".join(["[client]", *lines, ""])))


@contextmanager
def libpq_environment(store: StoreUrl) -> Iterator[Mapping[str, str]]:
    """Yield the environment in which PostgreSQL's tools reach the database by the service `trivet`."""
    url, _ = store.for_operator()
    query = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    options = {"host": url.host or "", "port": str(url.port or ""), "user": url.username or ""}
    options |= {"dbname": url.database or "", **query}
    lines = [f"{name}={value}" for name, value in options.items() if value]
    password = str(url.password or "").replace("\\", "\\\\").replace(":", "\\:")
    with temporary_folder() as folder:
        yield {
            "PGSERVICEFILE": str(_written(folder / "service.conf", "\n".join(["[trivet]", *lines, ""]))),
            "PGPASSFILE": str(_written(folder / "pgpass", f"*:*:*:*:{password}\n")),
            "PGSERVICE": "trivet",
        }


def _ssl_mode(mode: str) -> str:
    if mode in NAME_IS_VERIFIED:
        return "VERIFY_IDENTITY"
    if mode in CHAIN_IS_VERIFIED:
        return "VERIFY_CA"
    return "PREFERRED" if mode in UNPROTECTED else "REQUIRED"


def _written(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path
