"""Warns the operator of pages that cannot work with the settings. Each warning is logged once."""

import logging

from gateway.http.link_target import LOOPBACK, link_target_of

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 100
"""The most different warnings. Any client can send any Origin."""
MAX_LENGTH = 200
UNTRUSTED = "a page at %s is not trusted: if it is yours, add this origin to TRIVET_TRUSTED_ORIGINS"
TWO_NAMES = (
    "a page at %s calls this gateway at %s. These are two names of one machine, and browsers keep their cookies "
    "apart: set the client's baseURL to %s"
)


class OriginAdvice:
    """Names the setting that trusts a page, and the address that a page on this machine has to call."""

    def __init__(self) -> None:
        self._given: set[tuple[str, str]] = set()

    def consider(self, origin: str, host: str, *, trusted: bool) -> None:
        """Warn of a request from a page at `origin` to the gateway by the name `host` (the Host header)."""
        if not trusted:
            # `null` is a page without an origin. No setting can name it.
            if origin != "null" and self._is_new(origin, ""):
                logger.warning(UNTRUSTED, origin[:MAX_LENGTH])
        elif _differ(origin, host) and self._is_new(origin, host):
            port = host.rpartition(":")[2] if host.rpartition(":")[2].isdecimal() else "80"
            logger.warning(TWO_NAMES, origin, host, f"http://{_loopback(origin)}:{port}")

    def _is_new(self, origin: str, host: str) -> bool:
        key = (origin[:MAX_LENGTH], host[:MAX_LENGTH])
        if key in self._given or len(self._given) >= MAX_REMEMBERED:
            return False
        self._given.add(key)
        return True


def _differ(origin: str, host: str) -> bool:
    page, gateway = _loopback(origin), _loopback(f"http://{host}")
    return page != gateway and "" not in (page, gateway)


def _loopback(url: str) -> str:
    """Return the loopback name in a URL, without its port; empty for any other URL."""
    target = link_target_of(url)
    found = LOOPBACK.fullmatch(target.authority) if target is not None else None
    return found[1] if found else ""
