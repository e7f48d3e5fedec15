"""The patterns of TRIVET_TRUSTED_ORIGINS: what each matches, and why one could match nothing."""

import re
from fnmatch import fnmatchcase
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from gateway.http.link_target import DEFAULT_PORTS, SCHEME, UNSAFE, Place, divided, place_of, resolved

UNTRUSTWORTHY = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})
"""Schemes whose URLs are content or files, and no place of an app's."""
ANY_PATH = ("", "/**")
_WILD = frozenset("*?")
_IN_LABELS = "[a-z0-9-]"
_SOME_LABELS = f"{_IN_LABELS}+(?:[.]{_IN_LABELS}+)*"
_HOST = re.compile(r"[a-z0-9*?_-]+(?:\.[a-z0-9*?_-]+)*\.?")
_PORT = re.compile(r"[0-9*?]{1,5}")
_NUMBERS = re.compile(r"[0-9.*?]*[0-9][0-9.*?]*")


class Pattern(NamedTuple):
    """One trusted origin. What is None may be anything."""

    schemes: frozenset[str]
    authority: re.Pattern[str] | None
    path: re.Pattern[str] | None
    is_for_ipv4: bool | None

    def matches(self, place: Place) -> bool:
        return (
            place.scheme in self.schemes
            and (self.authority is None or self.authority.fullmatch(place.authority) is not None)
            and (self.is_for_ipv4 is None or self.is_for_ipv4 == _is_ipv4(place.authority))
            and (self.path is None or (place.path is not None and self.path.fullmatch(place.path or "/") is not None))
        )


def pattern_of(text: str) -> Pattern:
    """Return a pattern. Raises ValueError, with the mend, if it could match nothing or every page."""
    if UNSAFE.search(text) or "#" in text:
        raise ValueError("holds a blank, a backslash, a control character or a fragment, and would match nothing")
    is_wild = bool(_WILD & set(text))
    scheme, separator, rest = text.partition("://")
    if not separator and is_wild:  # a host alone: a page's, by http and https
        authority, rest = divided(text, "/")
        return _of_pages("http*", authority, rest)
    if not separator:
        scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    if not separator and (":" not in text or rest.partition("/")[0].isdigit()):
        raise ValueError(f"has no scheme, and would match nothing: write `https://{text}` or `http://{text}`")
    if not separator and scheme in DEFAULT_PORTS:
        raise ValueError("has no host, and would match nothing")
    authority, rest = divided(rest, "/" if is_wild else "/?") if separator else ("", rest)
    if _WILD & set(scheme) or scheme in DEFAULT_PORTS:
        return _of_pages(scheme, authority, rest, is_wild=is_wild)
    return _of_an_app(scheme, authority.lower(), rest, is_wild=is_wild)


def _of_pages(scheme: str, authority: str, path: str, *, is_wild: bool = True) -> Pattern:
    schemes = frozenset(known for known in DEFAULT_PORTS if fnmatchcase(known, scheme))
    if not schemes:
        raise ValueError("has a scheme that is neither http nor https, and would match nothing")
    if not authority.isascii():
        raise ValueError(f"would match nothing: browsers spell the host `{authority.encode('idna').decode()}`")
    if not _WILD & set(authority):
        return _of_one_host(schemes, authority, _path(path, is_wild=is_wild))
    host, colon, port = authority.lower().partition(":")
    if not _HOST.fullmatch(host) or (colon and not _PORT.fullmatch(port)):
        raise ValueError("would match nothing: no host looks like this")
    if not re.search("[a-z0-9]", host):
        raise ValueError("would trust every page: name the host, as in `https://*.example.com`")
    if colon and schemes == {s for s, default in DEFAULT_PORTS.items() if str(default) == port}:
        colon = port = ""  # browsers leave it out
    is_for_ipv4 = _NUMBERS.fullmatch(host) is not None
    if is_for_ipv4:
        _check_numbers(host, count=None if "**" in host else 4)
    spelled = _SOME_LABELS.join(_glob(part, f"{_IN_LABELS}+") for part in (host + colon + port).split("**"))
    return Pattern(schemes, re.compile(spelled), _path(path, is_wild=is_wild), is_for_ipv4)


def _of_one_host(schemes: frozenset[str], authority: str, path: re.Pattern[str] | None) -> Pattern:
    places = [place_of(f"{scheme}://{authority}") for scheme in schemes]
    spelled = {place.authority for place in places if place is not None}
    host = next(iter(spelled), "").partition(":")[0]
    if not spelled or None in places or not host.isascii():
        raise ValueError("would match nothing: it needs a host and no userinfo, and a port is at most 65535")
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) and not _is_ipv4(host):
        raise ValueError("would match nothing: browsers write an IPv4 address as four numbers")
    return Pattern(schemes, re.compile("|".join(map(re.escape, spelled))), path, None)


def _of_an_app(scheme: str, authority: str, path: str, *, is_wild: bool) -> Pattern:
    """Return the pattern of an app's scheme: as the original, `*` stands for any characters there, dots too."""
    if not SCHEME.fullmatch(scheme):
        raise ValueError("has a scheme that is none, and would match nothing")
    if scheme in UNTRUSTWORTHY:
        raise ValueError(f"would trust what no app answers for: {scheme}: URLs are content")
    if "@" in authority:
        raise ValueError("would match nothing: a URL with userinfo is never trusted")
    if not is_wild and place_of(f"{scheme}://{authority}") is None:
        raise ValueError("would match nothing: no URL has such a host or port")
    host = authority.partition(":")[0]
    is_for_ipv4 = True if is_wild and _NUMBERS.fullmatch(host) else None
    if is_for_ipv4:
        _check_numbers(host, count=None)
    schemes, spelled = frozenset({scheme}), None
    if authority and set(authority) != {"*"}:
        spelled = re.compile(_glob(authority) if is_wild else re.escape(authority))
    return Pattern(schemes, spelled, _path(path, is_wild=is_wild), is_for_ipv4)


def _path(path: str, *, is_wild: bool) -> re.Pattern[str] | None:
    """Return what a path must be: whole where the pattern has a wildcard, else itself and what lies below it."""
    spelled = resolved(path)
    if spelled is None:
        raise ValueError("would match nothing: its path holds an encoded slash or what is no text")
    if spelled in ANY_PATH:
        return None
    return re.compile(_segments(spelled) if is_wild else f"{re.escape(spelled)}(?:/.*)?")


def _segments(path: str) -> str:
    """Return the expression of a path with wildcards: `**` stands for any number of segments, `*` stays in one."""
    parts = path.split("/")[1:]
    return "".join("(?:/[^/]+)*" if part == "**" else f"/{_glob(part)}" for part in parts) + "/?"


def _glob(text: str, run: str = "[^/]*") -> str:
    """Return the expression of a text with wildcards, of which `*` is a run of characters and `?` one of them.

    Atomic groups take each run as short as it can be: it is never longer in vain, and nothing is tried twice.
    """
    first, *rest = (re.escape(part).replace(r"\?", run[:-1]) for part in re.split(r"\*+", text))
    if not rest:
        return first
    *between, last = rest
    return first + "".join(f"(?>{run}?{part})" for part in between) + run + last


def _check_numbers(host: str, *, count: int | None) -> None:
    """Raise ValueError if no IPv4 address is among what a host of numbers and wildcards stands for."""
    parts = host.split(".")
    if any(part.isdigit() and int(part) > 255 for part in parts) or (count is not None and len(parts) != count):
        raise ValueError("would match nothing: an IPv4 address has four numbers up to 255, as in `192.168.*.*`")


def _is_ipv4(authority: str) -> bool:
    try:
        IPv4Address(authority.partition(":")[0])
    except AddressValueError:
        return False
    return True
