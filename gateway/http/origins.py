"""The trusted origins: the gateway's own, and those of the settings."""

import re
from functools import lru_cache

from gateway.http.link_target import DEFAULT_PORTS, LOOPBACK, LinkTarget, link_target_of, origin_of
from gateway.http.origin_patterns import pattern_of
from gateway.settings import GatewaySettings

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\\@\s]*", re.ASCII)


class Origins:
    """Decides whether a page can send cookies here, and whether a redirect can lead there.

    A pattern is one of these (docs/better-auth.md has all the rules):

    - An origin: `https://app.example.com`. With a path, only links below it are trusted, and no page's cookies.
    - An origin or a host with wildcards in its labels: `https://*.example.com`. `*` stands for one label or a part of
      it and never for a dot, `**` for one label or more, `?` for one character.
    - An app's scheme, also with an authority and a path: `myapp:`, `myapp://callback`, `exp://192.168.*.*:*/**`.

    In development all pages of this machine are trusted too, under each of its names and on every port.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self.use(settings)

    def use(self, settings: GatewaySettings) -> None:
        """Decide by these settings from now on."""
        self._patterns = tuple(map(pattern_of, (origin_of(settings.base_url), *settings.trusted_origins)))
        self._trusts_loopback = settings.trusts_loopback
        # Attackers choose the origins, so the memory is bounded.
        self._remembered = lru_cache(maxsize=1_024)(self._trusts)

    def trusts(self, origin: str) -> bool:
        """Whether an `Origin` header's value is trusted. `null` never is."""
        return self._remembered(origin)

    def trusts_url(self, url: str) -> bool:
        """Whether an absolute URL leads to a trusted origin or a trusted app. A URL with userinfo never does."""
        target = link_target_of(url)
        return target is not None and self._trusts_target(target)

    def _trusts(self, origin: str) -> bool:
        return _ORIGIN.fullmatch(origin) is not None and self.trusts_url(origin)

    def _trusts_target(self, target: LinkTarget) -> bool:
        if self._trusts_loopback and target.scheme in DEFAULT_PORTS and LOOPBACK.fullmatch(target.authority):
            return True
        return any(pattern.matches(target) for pattern in self._patterns)
