"""What the parameters of a database URL mean, as libpq, Prisma, SQLAlchemy, Go and the cloud providers write them.

Each parameter is honored, or has no meaning here and is said to have none, or is refused by its name: a misspelled
`sslmode` must not pass for one. Names are compared without case, dashes and underscores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Names of parameters to what they are here, for every kind of database.
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
OWN_TIMES = "Trivet has its own time-outs"
OWN_LETTERS = "Trivet always speaks UTF-8"
OWN_STATEMENTS = "Trivet finds out by itself whether a pooler is between"
BOUND = "the drivers here have no channel binding; sslmode=verify-full proves the server too"
WITHOUT_MEANING = {
    **dict.fromkeys(["connecttimeout", "pooltimeout", "sockettimeout", "statementtimeout", "timeout"], OWN_TIMES),
    **dict.fromkeys(["commandtimeout", "acquiretimeout", "readtimeout", "writetimeout", "tcpusertimeout"], OWN_TIMES),
    **dict.fromkeys(["keepalives", "keepalivesidle", "keepalivesinterval", "keepalivescount"], OWN_TIMES),
    **dict.fromkeys(
        ["charset", "characterencoding", "useunicode", "encoding", "clientencoding", "collation"], OWN_LETTERS
    ),
    **dict.fromkeys(["statementcachesize", "preparedstatementcachesize", "supa"], OWN_STATEMENTS),
    **dict.fromkeys(["preparethreshold", "preparedstatements"], OWN_STATEMENTS),
    **dict.fromkeys((*TIME_ZONE, "parsetime", "loc"), "Trivet keeps UTC"),
    **dict.fromkeys(["gssencmode", "sslcompression", "sslsni"], "sslmode alone says how TLS is used"),
    **dict.fromkeys(["allowpublickeyretrieval", "autoreconnect", "reconnect"], "the driver does so anyway"),
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
    """What a URL's parameters ask for."""

    tls: dict[str, str] = field(default_factory=dict, repr=False)
    """`mode`, `ca`, `cert`, `key` and the key's `password`, as far as they were given."""
    connections: int | None = None
    """The most connections of a process."""
    schema: str = ""
    """Where PostgreSQL looks for tables."""
    session: dict[str, str] = field(default_factory=dict)
    """Settings of a session on PostgreSQL."""
    target: str = ""
    """Which of several servers of PostgreSQL is wanted."""
    is_pooled: bool = False
    """Whether the address says that a pooler is between; identity notices most by itself."""
    socket: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    time_zone: str = ""
    """The time zone that an app gives its driver. Only imports and exports read it."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Parameters that change nothing here, and why."""


def parse_parameters(kind: str, query: Mapping[str, str | Sequence[str]]) -> Parameters:
    """Return what the parameters of a kind's URL mean. Raises ValueError that names what is wrong, never a value."""
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
        elif plain in WITHOUT_MEANING or (kind == "sqlite" and plain in CONNECTIONS):
            ignored[name] = WITHOUT_MEANING.get(plain, "SQLite has one writer")
        elif kind == "postgresql" and plain == "channelbinding":
            ignored |= {name: BOUND} if value == "require" else {}
        else:
            unknown.append(name)
        if plain in TIME_ZONE:
            found["time_zone"] = value
    if unknown:
        raise ValueError(
            f"{', '.join(sorted(unknown))}: no such parameter is known here. Known are sslmode, sslrootcert, sslcert, "
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
    """Return the part of `Parameters` that a parameter is, None if it is none."""
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
    """Return TLS as libpq would name it; the strictest of what was asked for counts."""
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
        raise ValueError("its TLS mode is none of disable, require, verify-ca and verify-full")
    if modes:
        found["mode"] = max(modes, key=_strictness)
    return found


def _json_mode(text: str) -> str | None:
    """Read `ssl={"rejectUnauthorized":true}`, as drivers of Node take it."""
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
