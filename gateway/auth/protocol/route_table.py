"""Finds the endpoint of a request among those of all features."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.refusals import SHARED, ErrorCode


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """The endpoint of a path, and the segments that its template leaves open."""

    endpoint: Endpoint[Any]
    parameters: Mapping[str, str] = field(default_factory=dict)


class RouteTable:
    """All endpoints by method and path, and all error codes by reason.

    Raises ValueError if two features serve the same path, or have different codes for one reason.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self.endpoints: dict[tuple[str, str], Endpoint[Any]] = {}
        self.error_codes: dict[str, ErrorCode] = dict(SHARED)
        for feature in features:
            for endpoint in feature.endpoints:
                if self.endpoints.setdefault((endpoint.method, endpoint.path), endpoint) is not endpoint:
                    raise ValueError(f"two features serve {endpoint.method} {endpoint.path}")
            for reason, error_code in feature.error_codes.items():
                if self.error_codes.setdefault(reason, error_code) != error_code:
                    raise ValueError(f"two features have different error codes for the reason {reason}")
        self._open = [(_pattern(each.path), each) for each in self.endpoints.values() if ":" in each.path]

    def find(self, method: str, path: str) -> RouteMatch | None:
        """Return what serves a path below /api/auth; None if nothing does. A path without open segments goes first."""
        if ":" not in path and (endpoint := self.endpoints.get((method, path))) is not None:
            return RouteMatch(endpoint)
        for pattern, endpoint in self._open:
            if endpoint.method == method and (matched := pattern.fullmatch(path)):
                return RouteMatch(endpoint, matched.groupdict())
        return None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r":(\w+)", r"(?P<\1>[^/]+)", template))
