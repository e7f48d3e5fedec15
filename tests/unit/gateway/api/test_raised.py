"""The description names the failures that the code raises: no list of them stands anywhere else."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.api.openapi.auth_codes import rpc_of
from gateway.api.openapi.document import comments
from gateway.api.openapi.raised import raised_by
from gateway.api.openapi.reasons import failures
from gateway.auth.protocol.refusals import SHARED, ErrorCode, refuse
from gateway.auth.routes import ROUTES
from gateway.http.description import description_of

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
    assert set(raised_by(handler, ErrorCode, but=(another.__wrapped__,))) == {OWN, IN_A_MAPPING, INSIDE}  # type: ignore[attr-defined]


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((GATEWAY / "auth").rglob("*.py")):
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
