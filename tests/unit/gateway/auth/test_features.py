"""Features: every module of auth/routes/ is served, and no two of them contradict each other."""

import importlib
import pkgutil
import re
from pathlib import Path

import msgspec
import pytest
from starlette.responses import Response

from gateway.auth import routes
from gateway.auth.protocol.context import AuthContext
from gateway.auth.protocol.feature import Endpoint, Feature
from gateway.auth.protocol.refusals import ErrorCode
from gateway.auth.protocol.route_table import RouteTable
from gateway.auth.protocol.validation import Anything

PAGE = Path(__file__).parents[4] / "docs" / "better-auth.md"
ROUTES_OF_A_ROW = re.compile(r"((?:GET|POST)(?: and (?:GET|POST))*) (/[^ ;,]+(?:, /[^ ;,]+)*)")


async def answer(_context: AuthContext, _body: Anything) -> Response:
    return Response()


def test_every_module_of_the_folder_is_a_feature_that_is_served() -> None:
    modules = [
        importlib.import_module(f"{routes.__name__}.{each.name}") for each in pkgutil.iter_modules(routes.__path__)
    ]
    assert {id(module.FEATURE) for module in modules} == {id(feature) for feature in routes.FEATURES}


def test_the_page_lists_every_route_and_no_other() -> None:
    _, _, rest = PAGE.read_text().partition("## What is served")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in rest.partition("\n##")[0].splitlines() if "| " in line]
    listed = {
        (method, path)
        for row in rows
        for methods, paths in ROUTES_OF_A_ROW.findall(row)
        for method in methods.split(" and ")
        for path in paths.split(", ")
    }
    assert listed == routes.ROUTES.endpoints.keys(), "the table of docs/better-auth.md"


def test_a_mailed_field_is_a_member_of_the_body() -> None:
    for endpoint in routes.ROUTES.endpoints.values():
        members = {member.encode_name for member in msgspec.structs.fields(endpoint.body)}
        assert not endpoint.mailed_field or endpoint.mailed_field in members


def test_a_path_of_two_features_is_an_error_that_names_it() -> None:
    twice = [Feature((Endpoint("GET", "/ok", answer, Anything),)) for _ in range(2)]
    with pytest.raises(ValueError, match="two features serve GET /ok"):
        RouteTable(twice)


def test_a_reason_with_two_error_codes_is_an_error_that_names_it() -> None:
    differing = [Feature((), {"GONE": ErrorCode("GONE", status, "Gone")}) for status in (404, 410)]
    with pytest.raises(ValueError, match="different error codes for the reason GONE"):
        RouteTable(differing)
