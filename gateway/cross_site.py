"""Whether another site's page made a browser send its cookies here."""

from starlette.types import Scope

from gateway.errors import Refused
from gateway.exchange import header
from gateway.origins import Origins, origin_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITE = ("same-origin", "none")


def refuse_foreign_pages(scope: Scope, origins: Origins) -> None:
    """Raise Refused if a request that changes something carries cookies, and a page that is not trusted sent it.

    The page is named by Origin; without one by Sec-Fetch-Site, then by Referer. A request with none of them was
    sent by no browser, and a program's cookies are its own.
    """
    if scope["method"] in SAFE_METHODS or not header(scope, b"cookie"):
        return
    if origin := header(scope, b"origin"):
        _require(origins.trusts(origin))
        return
    referer = header(scope, b"referer")
    if site := header(scope, b"sec-fetch-site"):
        _require(site in OWN_SITE or (bool(referer) and origins.trusts(origin_of(referer))))
    elif referer:
        _require(origins.trusts(origin_of(referer)))


def _require(trusted: bool) -> None:
    if not trusted:
        raise Refused("PERMISSION_DENIED", "INVALID_ORIGIN", "this page's origin is not trusted")
