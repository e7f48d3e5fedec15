"""The description names the failures that the code raises: no list of them stands anywhere else."""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from unittest.mock import Mock

from gateway.api.openapi.auth_codes import rpc_of
from gateway.api.openapi.document import comments
from gateway.api.openapi.failures import DEADLINE_EXCEEDED, OF_BODIES, OF_EVERY_REQUEST
from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import failures
from gateway.app import middlewares
from gateway.auth.protocol.refusals import SHARED, ErrorCode, refuse
from gateway.auth.routes import ROUTES
from gateway.deps import Deps
from gateway.http.description import description_of
from gateway.http.errors import Cause
from gateway.http.origins import Origins
from gateway.middleware.body_limit import BodyLimit
from gateway.settings import GatewaySettings
from tests.harness.described import described

GATEWAY = Path(__file__).parents[4] / "gateway"
OWN, IN_A_MAPPING, OF_ANOTHER, INSIDE, UNUSED = (
    ErrorCode(name, 400, "") for name in ("OWN", "IN_A_MAPPING", "OF_ANOTHER", "INSIDE", "UNUSED")
)
CODES: Mapping[str, ErrorCode] = {"reason": IN_A_MAPPING}


@contextmanager
def another() -> Iterator[None]:
    yield
    raise refuse(OF_ANOTHER)


def handler() -> None:
    def inside() -> None:
        raise refuse(INSIDE)

    with another():
        inside()
        raise refuse(OWN if CODES else CODES["reason"])


for each in (another.__wrapped__, handler):  # type: ignore[attr-defined]  # contextmanager sets it
    each.__module__ = "gateway.example"


def test_constants_are_found_in_the_function_in_those_inside_it_and_in_those_that_it_calls() -> None:
    assert set(raised_by(handler, ErrorCode)) == {OWN, IN_A_MAPPING, OF_ANOTHER, INSIDE}
    assert set(raised_by(handler, ErrorCode, but=(another.__wrapped__,))) == {OWN, IN_A_MAPPING, INSIDE}  # type: ignore[attr-defined]  # as above


def test_the_methods_of_a_class_are_read() -> None:
    assert {cause.reason for cause in raised_by(BodyLimit, Cause)} == {
        "BODY_TOO_LARGE",
        "BODY_TOO_SLOW",
        "UNSUPPORTED_MEDIA_TYPE",
    }


def trees(folder: str = "auth") -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((GATEWAY / folder).rglob("*.py")):
        yield str(path.relative_to(GATEWAY)), ast.parse(path.read_text(encoding="utf-8"))


def calls_of(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def test_every_code_of_a_refusal_is_a_constant_that_can_be_found() -> None:
    """A code in the middle of a function would be missing in the description."""
    written = [
        f"{path}:{call.lineno}"
        for path, tree in trees()
        for call in calls_of(tree, "Refusal")
        if path != "auth/protocol/refusals.py"
        and (len(call.args) > 2 or any(keyword.arg == "code" for keyword in call.keywords))
    ]
    inside = [
        f"{path}:{call.lineno}"
        for path, tree in trees()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in calls_of(function, "ErrorCode")
    ]
    assert (written, inside) == ([], [])


def test_a_route_maps_only_reasons_with_which_its_calls_fail() -> None:
    mapping = {each for each in ROUTES.endpoints.values() if "BROKEN_LINKS" in each.answer.__code__.co_names}
    assert len(mapping) == 2
    for endpoint in mapping:
        calls = description_of(endpoint.answer).calls
        reasons = {
            reason for name in calls for found in failures(rpc_of(name), comments()).values() for reason in found
        }
        assert endpoint.answer.__globals__["BROKEN_LINKS"].keys() <= reasons | SHARED.keys(), endpoint.path


def test_every_error_of_the_gateway_is_made_of_a_constant_that_can_be_found() -> None:
    written = [
        f"{path}:{call.lineno}"
        for path, tree in trees("")
        for call in calls_of(tree, "ApiError")
        if isinstance(call.args[0], ast.Constant | ast.Call)
    ]
    inside = [
        f"{path}:{call.lineno}"
        for path, tree in trees("")
        if not path.startswith("api/openapi/")
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in calls_of(function, "Cause")
    ]
    assert (written, inside) == ([], [])


def test_every_cause_of_the_gateway_is_described() -> None:
    """But for paths and methods that no operation has."""
    declared = {
        cause.reason
        for module in [name for name in sys.modules if name.startswith("gateway.")]
        for value in vars(sys.modules[module]).values()
        for cause in (value.values() if isinstance(value, Mapping) else (value,))
        if isinstance(cause, Cause)
    }
    said = json.dumps(described())
    assert len(declared) > 20
    assert {reason for reason in declared if f'"{reason}"' not in said} == {"METHOD_NOT_ALLOWED", "ROUTE_NOT_FOUND"}


def test_the_causes_of_all_middlewares_are_those_of_every_request_and_of_bodies() -> None:
    settings = GatewaySettings.model_validate({"TRIVET_SECRET": "s" * 32})
    deps = Deps(settings=settings, backends=Mock(), origins=Origins(settings), access_log=Mock())
    found = {cause for each in middlewares(deps) for cause in raised_by(cast(type, each.cls), Cause)}
    assert found == {*OF_EVERY_REQUEST, *OF_BODIES} - {DEADLINE_EXCEEDED}
