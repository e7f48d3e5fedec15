"""What a DATABASE_URL means to the drivers: which of them, and how the way to the server is protected."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVERS = {"mysql": ("asyncmy", "pymysql"), "postgresql": ("asyncpg", "psycopg"), "sqlite": ("aiosqlite", "pysqlite")}
SCHEMES = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
TLS_PARAMETERS = ("mode", "ca", "cert", "key")
UNPROTECTED = ("", "disable", "disabled", "allow", "prefer", "preferred", "false", "0")
UNVERIFIED = ("require", "required", "true", "1")
NAME_IS_VERIFIED = ("verify-full", "verify_identity", "verify-identity")
CHAIN_IS_VERIFIED = ("verify-ca", "verify_ca")


@dataclass(frozen=True)
class StoreUrl:
    """A database: its kind, where it is, and the TLS parameters that came with its address."""

    kind: str
    url: URL = field(repr=False)
    tls: dict[str, str] = field(repr=False)

    @property
    def is_plain_and_far(self) -> bool:
        """Whether what is said to the server can be read on the way."""
        return self.kind != "sqlite" and not _is_near(self.url.host or "") and self._mode in UNPROTECTED

    @property
    def _mode(self) -> str:
        return self.tls.get("mode", "verify-ca" if "ca" in self.tls else "").lower()

    def for_service(self) -> tuple[URL, dict[str, Any]]:
        """Return the address and the arguments of the asynchronous driver."""
        return self.url.set(drivername=f"{self.kind}+{DRIVERS[self.kind][0]}"), self._tls_argument()

    def for_operator(self) -> tuple[URL, dict[str, Any]]:
        """Return the address and the arguments of the synchronous driver, for migrations."""
        url = self.url.set(drivername=f"{self.kind}+{DRIVERS[self.kind][1]}")
        if self.kind == "postgresql":
            # libpq reads these itself.
            names = {"mode": "sslmode", "ca": "sslrootcert", "cert": "sslcert", "key": "sslkey"}
            return url.update_query_dict({names[name]: value for name, value in self.tls.items()}), {}
        return url, self._tls_argument()

    def _tls_argument(self) -> dict[str, Any]:
        if self.kind == "sqlite" or self._mode in UNPROTECTED:
            return {}
        context = ssl.create_default_context(cafile=self.tls.get("ca"))
        if self._mode not in NAME_IS_VERIFIED:
            context.check_hostname = False
        if self._mode in UNVERIFIED and "ca" not in self.tls:
            context.verify_mode = ssl.CERT_NONE
        if "cert" in self.tls:
            context.load_cert_chain(self.tls["cert"], self.tls.get("key"))
        return {"ssl": context}


def parse(text: str) -> StoreUrl:
    """Read an address as people write it. Raises ValueError that never repeats the address: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("expected mysql://, mariadb://, postgresql:// or sqlite:///PATH") from None
    kind = SCHEMES.get(url.drivername.partition("+")[0])
    if kind is None:
        raise ValueError("expected mysql://, mariadb://, postgresql:// or sqlite:///PATH")
    if not url.database or (kind != "sqlite" and not url.host):
        raise ValueError("the address lacks a host or the database's name")
    tls: dict[str, str] = {}
    rest: dict[str, str] = {}
    for name, value in url.query.items():
        part = _tls_parameter(name)
        (tls if part else rest)[part or name] = value if isinstance(value, str) else value[-1]
    mode = tls.get("mode", "").lower()
    if mode not in (*UNPROTECTED, *UNVERIFIED, *NAME_IS_VERIFIED, *CHAIN_IS_VERIFIED):
        raise ValueError("its TLS mode is none of disable, require, verify-ca and verify-full")
    return StoreUrl(kind, url.set(query=rest), tls)


def _tls_parameter(name: str) -> str | None:
    """Return which of mode, ca, cert and key a parameter is, in MySQL's spelling or libpq's; None if none."""
    plain = name.lower().replace("-", "").replace("_", "")
    names = {"ssl": "mode", "sslmode": "mode", "sslrootcert": "ca", "sslca": "ca", "sslcert": "cert", "sslkey": "key"}
    return names.get(plain)


def _is_near(host: str) -> bool:
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
