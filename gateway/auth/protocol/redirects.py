"""Redirects after a link was followed: the caller's URL with parameters added to its query."""

import re
from urllib.parse import parse_qsl, urlencode

from starlette.responses import Response

from gateway.auth.protocol.bodies import JSON
from gateway.auth.protocol.context import location

_BARE_ORIGIN = re.compile(r"https?://[^/?#]+", re.IGNORECASE)


def redirect(url: str) -> Response:
    """Return the protocol's redirect to a URL."""
    return Response(status_code=302, headers={"location": location(url)}, media_type=JSON)


def with_query(url: str, **added: str) -> str:
    """Return a URL with parameters added to its query. Its query and fragment stay as they were written."""
    path, query, fragment = _divided(url)
    between = "&" if query and not query.endswith("&") else ""
    return f"{path}?{query}{between}{urlencode(added)}{fragment}"


def absolute(url: str, origin: str, **put: str) -> str:
    """Return a path as a URL of `origin`, its query encoded again as a browser's URLSearchParams encodes it.

    A parameter of `put` replaces those of its name. A URL that has an origin keeps it.
    """
    path, query, fragment = _divided(url)
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, value in put.items():
        place = next((index for index, pair in enumerate(pairs) if pair[0] == name), len(pairs))
        pairs = [pair for pair in pairs if pair[0] != name]
        pairs.insert(place, (name, value))
    encoded = urlencode(pairs, safe="*").replace("~", "%7E")
    return f"{origin if path.startswith('/') else ''}{path}?{encoded}{fragment}"


def _divided(url: str) -> tuple[str, str, str]:
    """Return path (or origin and path), query and fragment. A bare origin gets the path `/`."""
    rest, mark, fragment = url.partition("#")
    path, _, query = rest.partition("?")
    return path + ("/" if _BARE_ORIGIN.fullmatch(path) else ""), query, mark + fragment
