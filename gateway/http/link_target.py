"""Where an absolute URL leads, read so that no browser and no app could be led elsewhere by it."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The schemes of web pages; every other is an app's own."""
MAX_AUTHORITY = 262
"""A DNS name, a colon and a port: longer ones are not compared with patterns."""
MAX_URL = 4_096
MAX_PORT = 65_535
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
"""What browsers drop or take for a slash."""
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?")
"""The names of this machine, with any port."""
_APP_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]<>^|:@]*)(?::([0-9]{0,5}))?")
_SEPARATORS = re.compile("%2f|%5c", re.IGNORECASE)


class Place(NamedTuple):
    """Where a URL leads: scheme and authority in lower case, without the default port, and the path.

    The path has its percent-encoding and its dot segments resolved, and is empty for none. It is None if programs
    could differ on it: then it is in no path that a pattern names.
    """

    scheme: str
    authority: str
    path: str | None


def place_of(url: str) -> Place | None:
    """Return where an absolute URL leads; None if it is malformed, too long or holds userinfo."""
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if len(url) > MAX_URL or UNSAFE.search(url) or not colon or not SCHEME.fullmatch(scheme):
        return None
    has_authority = rest.startswith("//")
    authority, rest = divided(rest[2:], "/?#") if has_authority else ("", rest)
    spelled = _web_authority(scheme, authority) if scheme in DEFAULT_PORTS else _app_authority(authority)
    if spelled is None or "@" in authority or len(spelled) > MAX_AUTHORITY:
        return None
    return Place(scheme, spelled, resolved(divided(rest, "?#")[0]))


def origin_of(url: str) -> str:
    """Return scheme://host[:port] of an http(s) URL in the spelling browsers use; empty if it has none."""
    place = place_of(url)
    return f"{place.scheme}://{place.authority}" if place is not None and place.scheme in DEFAULT_PORTS else ""


def divided(text: str, ends: str) -> tuple[str, str]:
    """Return a text up to the first of some characters, and from there on."""
    end = next((index for index, char in enumerate(text) if char in ends), len(text))
    return text[:end], text[end:]


def resolved(path: str) -> str | None:
    """Return a path with its percent-encoding and dot segments resolved; empty for none, None if programs could differ.

    Programs differ on encoded slashes, and on what decodes to no text or to control characters.
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
    """Return an app's host and port in lower case; None if no URL has such a host or port."""
    found = _APP_AUTHORITY.fullmatch(authority)
    return authority.lower() if found and int(found[1] or 0) <= MAX_PORT else None


def _web_authority(scheme: str, authority: str) -> str | None:
    """Return host and port as browsers write them in an origin; None if there is no host or no valid port."""
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host
    return host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
