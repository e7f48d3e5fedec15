"""Parses the patterns of TRIVET_TRUSTED_ORIGINS, and refuses those that match nothing or every page."""

import re
from fnmatch import fnmatchcase
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from gateway.http.link_target import DEFAULT_PORTS, SCHEME, UNSAFE, LinkTarget, divided, link_target_of, resolved

UNTRUSTWORTHY = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"})
"""Schemes of content or files. No app owns them."""
ANY_PATH = ("", "/**")
_WILD = frozenset("*?")
_IN_LABELS = "[a-z0-9-]"
_SOME_LABELS = f"{_IN_LABELS}+(?:[.]{_IN_LABELS}+)*"
_HOST = re.compile(r"[a-z0-9*?_-]+(?:\.[a-z0-9*?_-]+)*\.?")
_PORT = re.compile(r"[0-9*?]{1,5}")
_NUMBERS = re.compile(r"[0-9.*?]*[0-9][0-9.*?]*")


class Pattern(NamedTuple):
    """One trusted origin. A member that is None matches everything."""

    schemes: frozenset[str]
    authority: re.Pattern[str] | None
    path: re.Pattern[str] | None
    is_for_ipv4: bool | None

    def matches(self, target: LinkTarget) -> bool:
        return (
            target.scheme in self.schemes
            and (self.authority is None or self.authority.fullmatch(target.authority) is not None)
            and (self.is_for_ipv4 is None or self.is_for_ipv4 == _is_ipv4(target.authority))
            and (self.path is None or (target.path is not None and self.path.fullmatch(target.path or "/") is not None))
        )


def pattern_of(text: str) -> Pattern:
    """Return a pattern. Raises ValueError, with the remedy, if it matches nothing or every page."""
    if UNSAFE.search(text) or "#" in text:
        raise ValueError("has a blank, a backslash, a control character or a fragment, and would match nothing")
    is_wild = bool(_WILD & set(text))
    scheme, separator, rest = text.partition("://")
    if not separator and is_wild:  # a host alone: its pages by http and https
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
        colon = port = ""  # browsers leave the default port out
    is_for_ipv4 = _NUMBERS.fullmatch(host) is not None
    if is_for_ipv4:
        _check_numbers(host, count=None if "**" in host else 4)
    spelled = _SOME_LABELS.join(_glob(part, f"{_IN_LABELS}+") for part in (host + colon + port).split("**"))
    return Pattern(schemes, re.compile(spelled), _path(path, is_wild=is_wild), is_for_ipv4)


def _of_one_host(schemes: frozenset[str], authority: str, path: re.Pattern[str] | None) -> Pattern:
    targets = [link_target_of(f"{scheme}://{authority}") for scheme in schemes]
    spelled = {target.authority for target in targets if target is not None}
    host = next(iter(spelled), "").partition(":")[0]
    if not spelled or None in targets or not host.isascii():
        raise ValueError("would match nothing: it needs a host and no userinfo, and a port is at most 65535")
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) and not _is_ipv4(host):
        raise ValueError("would match nothing: browsers write an IPv4 address as four numbers")
    return Pattern(schemes, re.compile("|".join(map(re.escape, spelled))), path, None)


def _of_an_app(scheme: str, authority: str, path: str, *, is_wild: bool) -> Pattern:
    """Return the pattern of an app's scheme. There `*` matches any characters with dots, as in the original."""
    if not SCHEME.fullmatch(scheme):
        raise ValueError("has a malformed scheme, and would match nothing")
    if scheme in UNTRUSTWORTHY:
        raise ValueError(f"would trust content of any source: {scheme}: URLs belong to no app")
    if "@" in authority:
        raise ValueError("would match nothing: a URL with userinfo is never trusted")
    if not is_wild and link_target_of(f"{scheme}://{authority}") is None:
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
    """Return the expression of a path: the whole path if the pattern has a wildcard, else the path and all below it."""
    spelled = resolved(path)
    if spelled is None:
        raise ValueError("would match nothing: its path has an encoded slash or is not UTF-8")
    if spelled in ANY_PATH:
        return None
    return re.compile(_segments(spelled) if is_wild else f"{re.escape(spelled)}(?:/.*)?")


def _segments(path: str) -> str:
    """Return the expression of a path with wildcards: `**` matches any number of segments, `*` stays in one."""
    parts = path.split("/")[1:]
    return "".join("(?:/[^/]+)*" if part == "**" else f"/{_glob(part)}" for part in parts) + "/?"


def _glob(text: str, run: str = "[^/]*") -> str:
    """Return the expression of a text with wildcards: `*` is a run of characters and `?` one character.

    Atomic groups match each run as short as possible and never backtrack, so the time is linear.
    """
    first, *rest = (re.escape(part).replace(r"\?", run[:-1]) for part in re.split(r"\*+", text))
    if not rest:
        return first
    *between, last = rest
    return first + "".join(f"(?>{run}?{part})" for part in between) + run + last


def _check_numbers(host: str, *, count: int | None) -> None:
    """Raise ValueError if a host of numbers and wildcards matches no IPv4 address."""
    parts = host.split(".")
    if any(part.isdigit() and int(part) > 255 for part in parts) or (count is not None and len(parts) != count):
        raise ValueError("would match nothing: an IPv4 address has four numbers up to 255, as in `192.168.*.*`")


def _is_ipv4(authority: str) -> bool:
    try:
        IPv4Address(authority.partition(":")[0])
    except AddressValueError:
        return False
    return True
