"""The middlewares: which there are, and in which order."""

from collections.abc import Iterator
from typing import Literal

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from gateway.app import build_app, middlewares
from gateway.backends import open_backends
from gateway.deps import Deps
from gateway.http.access_log import AccessLogWriter
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings

ORDER = (
    "RequestId",
    "Trace",
    "Metrics",
    "AccessLog",
    "SecurityHeaders",
    "Cors",
    "ErrorHandler",
    "HostHeader",
    "Admission",
    "BodyLimit",
    "Deadline",
)


@pytest.mark.parametrize(("cookie_cache", "first"), [("off", ("FastPath",)), ("compact", ())])
async def test_a_request_passes_the_listed_middlewares_outermost_first(
    cookie_cache: Literal["off", "compact"], first: tuple[str, ...]
) -> None:
    settings = GatewaySettings(secret=SecretStr("s" * 32), cookie_cache=cookie_cache)
    async with open_backends(settings) as backends:  # no call is made: no service has to run
        deps = Deps(
            settings=settings, backends=backends, origins=Origins(settings), access_log=AccessLogWriter(backends.logs)
        )
        listed = [name_of(each.cls) for each in middlewares(deps)]
        passed = [type(each).__name__ for each in layers(build_app(deps))]
    assert listed == [*first, *ORDER]
    assert passed == [*listed, "Router"]


def name_of(factory: object) -> str:
    assert isinstance(factory, type)
    return factory.__name__


def layers(app: ASGIApp) -> Iterator[ASGIApp]:
    """Yield an application and what it wraps, outermost first."""
    yield app
    if (inner := getattr(app, "_app", None)) is not None:
        yield from layers(inner)
