"""Which origins are trusted: our own, and those that the settings name."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import SplitResult, urlsplit

from gateway.settings import GatewaySettings

DEFAULT_PORTS = {"http": 80, "https": 443}
_LABELS = {"*": "[a-z0-9-]+", "?": "[a-z0-9-]"}
_NUMBERS = re.compile(r"[0-9.*?]*[0-9][0-9.*?]*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\\@\s]*", re.ASCII)


class Origins:
    """Decides whether a page may send cookies here, and whether a link may lead there.

    A pattern is an exact origin (`https://app.example.com`), an origin or a host whose labels hold wildcards
    (`https://*.example.com`: `*` stands for one whole label or a part of it and never for a dot, `?` for one
    character), or a scheme of an app's own with an optional authority and path prefix (`myapp://callback`).
    """

    def __init__(self, settings: GatewaySettings) -> None:
        own = origin_of(settings.base_url)
        exact, patterns = _divided(settings.trusted_origins)
        self._exact = frozenset(filter(None, (own, *map(origin_of, exact))))
        self._patterns = tuple(map(_Pattern, patterns))
        self._schemes = tuple(_custom(settings.trusted_origins))
        # Attackers choose what is asked, so what is remembered has a bound.
        self._remembered = lru_cache(maxsize=1_024)(self._trusts)

    def trusts(self, origin: str) -> bool:
        """Whether an `Origin` header's value, or an absolute URL's origin, is trusted. `null` never is."""
        return self._remembered(origin)

    def trusts_url(self, url: str) -> bool:
        """Whether an absolute URL leads to a trusted origin or into a trusted app; userinfo is never trusted."""
        if any(ord(char) <= 32 or char == "\\" for char in url):
            return False
        origin = origin_of(url)
        return self.trusts(origin) if origin else any(_leads_into(url, scheme) for scheme in self._schemes)

    def _trusts(self, origin: str) -> bool:
        if not _ORIGIN.fullmatch(origin):
            return False
        if origin in self._exact:
            return True
        parts = _split(origin)
        if parts is None or parts.scheme not in DEFAULT_PORTS:
            return any(_leads_into(origin, scheme) for scheme in self._schemes)
        return any(pattern.matches(parts) for pattern in self._patterns)


def origin_of(url: str) -> str:
    """Return scheme://host[:port] of an http(s) URL in the spelling browsers use; empty if it has none."""
    parts = _split(url)
    if parts is None or parts.scheme not in DEFAULT_PORTS or not parts.hostname or "*" in parts.netloc:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _split(url: str) -> SplitResult | None:
    """Split an absolute URL; None if it is malformed or hides its host behind userinfo."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where the port is no number
    except ValueError:
        return None
    return None if parts.username is not None or parts.password is not None else parts


def _divided(items: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the exact origins, and those with wildcards: a `?` in a pattern begins no query."""
    exact: list[str] = []
    patterns: list[str] = []
    for item in items:
        (patterns if set(item) & set(_LABELS) else exact).append(item)
    return exact, patterns


class _Pattern:
    """One origin or host with wildcards."""

    def __init__(self, text: str) -> None:
        before, separator, after = text.lower().partition("://")
        self._scheme = before if separator else None
        host = after if separator else before
        self._host = re.compile("".join(_LABELS.get(char, re.escape(char)) for char in host))
        self._names_port = ":" in host
        # A wildcard among numbers is meant for addresses, and must not be matched by a name; nor the other way round.
        self._is_for_ipv4 = bool(_NUMBERS.fullmatch(host.partition(":")[0]))

    def matches(self, parts: SplitResult) -> bool:
        if self._scheme is not None and self._scheme != parts.scheme:
            return False
        if not self._names_port and parts.port not in (None, DEFAULT_PORTS[parts.scheme]):
            return False
        host = parts.netloc if self._names_port else (parts.hostname or "")
        return _is_ipv4(host) == self._is_for_ipv4 and self._host.fullmatch(host) is not None


def _is_ipv4(host: str) -> bool:
    try:
        IPv4Address(host.partition(":")[0])
    except AddressValueError:
        return False
    return True


def _custom(items: Iterable[str]) -> Iterable[str]:
    for item in items:
        scheme, separator, _ = item.partition("://")
        if separator and scheme.lower() not in DEFAULT_PORTS and not set(item) & set(_LABELS):
            yield item


def _leads_into(url: str, trusted: str) -> bool:
    """Whether an app's URL has the trusted scheme, authority and path prefix, whole segments only."""
    if url.partition("://")[0].lower() != trusted.partition("://")[0].lower():
        return False
    asked, allowed = url.partition("://")[2], trusted.partition("://")[2].rstrip("/")
    return not allowed or asked == allowed or asked.startswith((f"{allowed}/", f"{allowed}?", f"{allowed}#"))
