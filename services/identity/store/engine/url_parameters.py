"""Parses the parameters of a database URL in the spellings of libpq, Prisma, SQLAlchemy, Go and cloud providers.

Each parameter is applied, or ignored with a warning, or rejected: a misspelled `sslmode` must not be ignored. Names
are compared without case, dashes and underscores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Parameter names to their key in `Parameters.tls`, for every kind of server.
TLS = {
    "ssl": "mode",
    "sslmode": "mode",
    "usessl": "mode",
    "sslaccept": "accept",
    "tls": "tls",
    "sslrootcert": "ca",
    "sslca": "ca",
    "sslcert": "cert",
    "sslkey": "key",
    "sslpassword": "password",
}
CONNECTIONS = ("connectionlimit", "poolsize", "maxpoolsize")
SOCKETS = {"mysql": ("socket", "unixsocket", "socketpath"), "postgresql": ("host",), "sqlite": ()}
SESSION = {"applicationname": "application_name", "options": "options", "searchpath": "search_path"}
TIME_ZONE = ("timezone", "servertimezone")
OWN_TIMEOUTS = "Trivet has its own time-outs"
OWN_ENCODING = "Trivet always speaks UTF-8"
DETECTED = "Trivet detects a pooler automatically"
NO_CHANNEL_BINDING = "the drivers have no channel binding; sslmode=verify-full authenticates the server too"
IGNORED = {
    **dict.fromkeys(["connecttimeout", "pooltimeout", "sockettimeout", "statementtimeout", "timeout"], OWN_TIMEOUTS),
    **dict.fromkeys(
        ["commandtimeout", "acquiretimeout", "readtimeout", "writetimeout", "tcpusertimeout"], OWN_TIMEOUTS
    ),
    **dict.fromkeys(["keepalives", "keepalivesidle", "keepalivesinterval", "keepalivescount"], OWN_TIMEOUTS),
    **dict.fromkeys(
        ["charset", "characterencoding", "useunicode", "encoding", "clientencoding", "collation"], OWN_ENCODING
    ),
    **dict.fromkeys(["statementcachesize", "preparedstatementcachesize", "supa"], DETECTED),
    **dict.fromkeys(["preparethreshold", "preparedstatements"], DETECTED),
    **dict.fromkeys((*TIME_ZONE, "parsetime", "loc"), "Trivet stores times in UTC"),
    **dict.fromkeys(["gssencmode", "sslcompression", "sslsni"], "only sslmode controls TLS"),
    **dict.fromkeys(["allowpublickeyretrieval", "autoreconnect", "reconnect"], "the driver always does this"),
}
REFUSED = ("disable", "disabled", "false", "0")
UNPROTECTED = ("", "allow", "prefer", "preferred", *REFUSED)
UNVERIFIED = ("require", "required", "true", "1", "no-verify", "skip-verify")
NAME_IS_VERIFIED = ("verify-full", "verify_identity", "verify-identity")
CHAIN_IS_VERIFIED = ("verify-ca", "verify_ca")
BY_STRICTNESS = (UNPROTECTED, UNVERIFIED, CHAIN_IS_VERIFIED, NAME_IS_VERIFIED)
MODES = frozenset(mode for modes in BY_STRICTNESS for mode in modes)
ACCEPT = {"strict": "verify-full", "acceptinvalidcerts": "require"}
GO = {"true": "verify-full", "skip-verify": "require", "preferred": "prefer", "false": "disable"}


@dataclass(frozen=True)
class Parameters:
    """The parsed parameters of a database URL."""

    tls: dict[str, str] = field(default_factory=dict, repr=False)
    """`mode`, `ca`, `cert`, `key` and the key's `password`, if they were given."""
    connections: int | None = None
    """The maximum number of connections of a process."""
    schema: str = ""
    """PostgreSQL's schema, which becomes its search_path."""
    session: dict[str, str] = field(default_factory=dict)
    """Session settings on PostgreSQL."""
    target: str = ""
    """PostgreSQL's target_session_attrs: which of several servers to use."""
    is_pooled: bool = False
    """Whether the URL names a pooler. Identity also detects most poolers itself."""
    socket: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    time_zone: str = ""
    """The time zone of the application's driver. Only imports and exports use it."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Ignored parameters, each with the reason."""


def parse_parameters(kind: str, query: Mapping[str, str | Sequence[str]]) -> Parameters:
    """Parse the parameters of a URL. Raises ValueError with the parameter's name, never with its value."""
    given = {name: value if isinstance(value, str) else value[-1] for name, value in query.items()}
    tls: dict[str, str] = {}
    found: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unknown: list[str] = []
    for name, value in given.items():
        plain = name.lower().replace("-", "").replace("_", "")
        if kind != "sqlite" and plain in TLS:
            tls[TLS[plain]] = value
        elif (known := _known(kind, plain)) is not None:
            found[known] = value
        elif plain in IGNORED or (kind == "sqlite" and plain in CONNECTIONS):
            ignored[name] = IGNORED.get(plain, "SQLite has one writer")
        elif kind == "postgresql" and plain == "channelbinding":
            ignored |= {name: NO_CHANNEL_BINDING} if value == "require" else {}
        else:
            unknown.append(name)
        if plain in TIME_ZONE:
            found["time_zone"] = value
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: unknown parameter. Known are sslmode, sslrootcert, sslcert, "
            f"sslkey, connection_limit{_also(kind)}; leave the others out"
        )
    return Parameters(
        tls=_tls(tls),
        connections=_count(found.get("connections")),
        schema=found.get("schema", ""),
        session={name: value for name, value in found.items() if name in SESSION.values()},
        target=found.get("target", ""),
        is_pooled=found.get("pooler", "").lower() in ("true", "1"),
        socket=found.get("socket", ""),
        user=found.get("user", ""),
        password=found.get("password", ""),
        time_zone=found.get("time_zone", ""),
        ignored=ignored,
    )


def _known(kind: str, plain: str) -> str | None:
    """Return the field of `Parameters` for a parameter, None if there is none."""
    if plain in SOCKETS[kind]:
        return "socket"
    if kind == "sqlite":
        return None
    if plain in CONNECTIONS:
        return "connections"
    if plain in ("user", "password"):
        return plain
    if kind == "postgresql":
        if plain in ("schema", "currentschema"):
            return "schema"
        if plain == "targetsessionattrs":
            return "target"
        if plain == "pgbouncer":
            return "pooler"
        return SESSION.get(plain)
    return None


def _also(kind: str) -> str:
    return {"postgresql": ", schema, application_name, options, target_session_attrs, host", "mysql": ", socket"}.get(
        kind, ""
    )


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 500:
        raise ValueError("connection_limit must be a number from 1 to 500")
    return int(text)


def _tls(given: Mapping[str, str]) -> dict[str, str]:
    """Return TLS in libpq's terms. The strictest of the given modes counts."""
    found = {name: value for name, value in given.items() if name in ("ca", "cert", "key", "password")}
    if "cert" in found and "key" not in found and "ca" not in found:
        found["ca"] = found.pop("cert")  # Prisma's name for the authority's certificate
    if found.get("ca") == "system":
        del found["ca"]
        given = {"mode": "verify-full", **given}
    modes = []
    if "mode" in given:
        modes.append(_json_mode(given["mode"]) or given["mode"].lower())
    if "tls" in given:
        modes.append(GO.get(given["tls"].lower(), "unknown"))
    if "accept" in given:
        modes.append(ACCEPT.get(given["accept"].lower().replace("_", ""), "unknown"))
    if not set(modes) <= set(MODES):
        raise ValueError("the TLS mode must be disable, require, verify-ca or verify-full")
    if modes:
        found["mode"] = max(modes, key=_strictness)
    return found


def _json_mode(text: str) -> str | None:
    """Parse `ssl={"rejectUnauthorized":true}`, the form of Node's drivers."""
    if not text.startswith("{"):
        return None
    try:
        given = json.loads(text)
    except ValueError:
        return "unknown"
    if not isinstance(given, dict) or given.keys() - {"rejectUnauthorized"}:
        return "unknown"
    return "verify-full" if given.get("rejectUnauthorized", True) else "require"


def _strictness(mode: str) -> int:
    return next(place for place, modes in enumerate(BY_STRICTNESS) if mode in modes)
