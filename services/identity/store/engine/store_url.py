"""Parses a database URL: the drivers, their arguments, and TLS."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from services.identity.store.engine.url_parameters import (
    CHAIN_IS_VERIFIED,
    NAME_IS_VERIFIED,
    REFUSED,
    UNPROTECTED,
    UNVERIFIED,
    Parameters,
    parse_parameters,
)

DRIVERS = {"mysql": ("asyncmy", "pymysql"), "postgresql": ("asyncpg", "psycopg"), "sqlite": ("aiosqlite", "pysqlite")}
SCHEMES = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
LIBPQ = {
    **dict.fromkeys(REFUSED, "disable"),
    "preferred": "prefer",
    **dict.fromkeys(UNVERIFIED, "require"),
    **dict.fromkeys(CHAIN_IS_VERIFIED, "verify-ca"),
    **dict.fromkeys(NAME_IS_VERIFIED, "verify-full"),
}
"""The modes of TLS as libpq spells them."""


@dataclass(frozen=True)
class StoreUrl:
    """A parsed database URL: the kind of database, the address, and the parameters."""

    kind: str
    url: URL = field(repr=False)
    parameters: Parameters = field(default_factory=Parameters)

    @property
    def is_unencrypted_remote(self) -> bool:
        """Whether the connection goes to another host without TLS."""
        if self.kind == "sqlite" or self.parameters.socket.startswith("/") or _is_local(self.url.host or ""):
            return False
        return self._mode in UNPROTECTED

    @property
    def _mode(self) -> str:
        return self._tls.get("mode", "verify-ca" if "ca" in self._tls else "")

    @property
    def _tls(self) -> dict[str, str]:
        return self.parameters.tls

    def for_service(self) -> tuple[URL, dict[str, Any]]:
        """Return the URL and the arguments of the asynchronous driver.

        Raises ValueError if a certificate or key cannot be read.
        """
        url = self.url.set(drivername=f"{self.kind}+{DRIVERS[self.kind][0]}")
        arguments = self._tls_argument() | self._socket_argument()
        if self.parameters.target:
            arguments["target_session_attrs"] = self.parameters.target
        if settings := self.session_settings:
            arguments["server_settings"] = settings
        return url, arguments

    def for_operator(self) -> tuple[URL, dict[str, Any]]:
        """Return the URL and the arguments of the synchronous driver: see `operator_engine`."""
        url = self.url.set(drivername=f"{self.kind}+{DRIVERS[self.kind][1]}")
        if self.kind != "postgresql":
            return url, self._tls_argument() | self._socket_argument()
        # libpq reads the files itself.
        names = {"ca": "sslrootcert", "cert": "sslcert", "key": "sslkey", "password": "sslpassword"}
        query = {names[name]: value for name, value in self._tls.items() if name in names}
        if mode := self._tls.get("mode"):
            query["sslmode"] = LIBPQ.get(mode, mode)
        if query.get("sslmode") == "verify-full" and "sslrootcert" not in query:
            # The default of the asynchronous driver.
            query["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
        settings = {name: value for name, value in self.parameters.session.items() if name != "search_path"}
        query |= settings | {"target_session_attrs": self.parameters.target}
        # Behind a pooler, a named prepared statement is missing in the next transaction.
        own = {"prepare_threshold": None}
        return url.update_query_dict({name: value for name, value in query.items() if value}), own

    @property
    def session_settings(self) -> dict[str, str]:
        """The session settings on PostgreSQL."""
        return self.parameters.session | ({"search_path": self.search_path} if self.search_path else {})

    @property
    def search_path(self) -> str:
        """PostgreSQL's search_path, quoted; empty for the server's default."""
        schema = self.parameters.schema.replace('"', '""')
        return f'"{schema}"' if schema else self.parameters.session.get("search_path", "")

    def _socket_argument(self) -> dict[str, Any]:
        return {"unix_socket": self.parameters.socket} if self.kind == "mysql" and self.parameters.socket else {}

    def _tls_argument(self) -> dict[str, Any]:
        if self.kind == "postgresql" and self._mode in REFUSED:
            return {"ssl": False}  # otherwise asyncpg tries TLS first
        if self.kind == "sqlite" or self._mode in UNPROTECTED:
            return {}
        try:
            return {"ssl": self._context()}
        except OSError as error:  # of the file system or OpenSSL
            why = (error.strerror or str(error)).lower()
            raise ValueError(f"a certificate or key that it names cannot be read: {why}") from None

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._tls.get("ca"))
        if self._mode not in NAME_IS_VERIFIED:
            context.check_hostname = False
        if self._mode in UNVERIFIED and "ca" not in self._tls:
            context.verify_mode = ssl.CERT_NONE
        if "cert" in self._tls:
            context.load_cert_chain(self._tls["cert"], self._tls.get("key"), self._tls.get("password"))
        return context


def parse_usable(text: str) -> StoreUrl:
    """Parse a URL and read the certificates that it names. Raises ValueError, as `parse` does."""
    store = parse(text)
    store.for_service()
    return store


def parse(text: str) -> StoreUrl:
    """Parse a database URL. Raises ValueError without the URL in its message, because it can contain a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("expected mysql://, mariadb://, postgresql:// or sqlite:///PATH") from None
    kind = SCHEMES.get(url.drivername.partition("+")[0])
    if kind is None:
        raise ValueError("expected mysql://, mariadb://, postgresql:// or sqlite:///PATH")
    parameters = parse_parameters(kind, url.query)
    url = url.set(query={})
    if kind == "postgresql" and parameters.socket:
        url = url.set(host=parameters.socket)
    elif kind == "mysql" and parameters.socket and not url.host:
        url = url.set(host="localhost")
    if parameters.user:
        url = url.set(username=parameters.user)
    if parameters.password:
        url = url.set(password=parameters.password)
    if not url.database or (kind != "sqlite" and not url.host):
        raise ValueError("the URL lacks the host or the name of the database")
    return StoreUrl(kind, url, parameters)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
