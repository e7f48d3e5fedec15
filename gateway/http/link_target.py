"""Parses where an absolute URL leads, strictly: what browsers or apps could read differently is refused."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The schemes of web pages. All other schemes belong to apps."""
MAX_AUTHORITY = 262
"""The length of a DNS name, a colon and a port. A longer authority is refused."""
MAX_URL = 4_096
MAX_PORT = 65_535
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
"""Characters that browsers drop, or read as a slash."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""The names of this machine, with any port."""
_APP_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]<>^|:@]*)(?::([0-9]{0,5}))?")
_SEPARATORS = re.compile("%2f|%5c", re.IGNORECASE)


class LinkTarget(NamedTuple):
    """A URL's scheme and authority in lower case, without the default port, and its path.

    The path has its percent-encoding and dot segments resolved, and can be empty. It is None if programs could read it
    differently: then no pattern with a path matches.
    """

    scheme: str
    authority: str
    path: str | None


def link_target_of(url: str) -> LinkTarget | None:
    """Return where an absolute URL leads. None if it is malformed, too long or has userinfo."""
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if len(url) > MAX_URL or UNSAFE.search(url) or not colon or not SCHEME.fullmatch(scheme):
        return None
    has_authority = rest.startswith("//")
    authority, rest = divided(rest[2:], "/?#") if has_authority else ("", rest)
    spelled = _web_authority(scheme, authority) if scheme in DEFAULT_PORTS else _app_authority(authority)
    if spelled is None or "@" in authority or len(spelled) > MAX_AUTHORITY:
        return None
    return LinkTarget(scheme, spelled, resolved(divided(rest, "?#")[0]))


def origin_of(url: str) -> str:
    """Return scheme://host[:port] of an http(s) URL as browsers write it; empty for any other URL."""
    target = link_target_of(url)
    return f"{target.scheme}://{target.authority}" if target is not None and target.scheme in DEFAULT_PORTS else ""


def divided(text: str, ends: str) -> tuple[str, str]:
    """Split a text before the first of some characters."""
    end = next((index for index, char in enumerate(text) if char in ends), len(text))
    return text[:end], text[end:]


def resolved(path: str) -> str | None:
    """Return a path with its percent-encoding and dot segments resolved. None if programs could read it differently.

    They differ on encoded slashes, invalid UTF-8 and control characters.
    """
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        return None
    if _SEPARATORS.search(path) or UNSAFE.search(decoded):
        return None
    segments: list[str] = []
    for segment in decoded.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return "".join(f"/{segment}" for segment in segments)


def _app_authority(authority: str) -> str | None:
    """Return an app's host and port in lower case; None if they are not valid."""
    found = _APP_AUTHORITY.fullmatch(authority)
    return authority.lower() if found and int(found[1] or 0) <= MAX_PORT else None


def _web_authority(scheme: str, authority: str) -> str | None:
    """Return host and port as browsers write them in an origin; None if they are not valid."""
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
