"""What the .proto comments say of failures, compared with what the services do."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor

from gateway.api.http_rules import rules
from gateway.api.openapi.document import comments
from gateway.api.openapi.reasons import failures
from gateway.api.services import SERVICES
from runtime import errors
from runtime.rpc.policy import People
from trivet.client.methods import methods

ROOT = Path(__file__).parents[4]
COMMENTS = comments()
SERVED = {
    f"{rule.rpc.containing_service.full_name}/{rule.rpc.name}": (process, rule.rpc)
    for process, descriptors in SERVICES.items()
    for rule in rules(descriptors)
}
REASON = re.compile("[A-Z][A-Z_]+")
ERRORS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
OF_EVERY_CALL = {"REQUIRED_FIELD_MISSING", "DEADLINE_EXCEEDED"}
OF_OTHER_CALLERS = {"ERASURE_UNDER_WAY", "STORE_TOO_OLD", "UNCONFIRMED"}
"""Reasons that the outbox meets, and no request of a person."""


@pytest.mark.parametrize("method", SERVED)
def test_a_comment_names_whom_the_policy_refuses(method: str) -> None:
    process, rpc = SERVED[method]
    rule = import_module(f"services.{process}.policy").POLICY[method]
    refused = failures(rpc, COMMENTS).get("PERMISSION_DENIED", set())
    assert ("ADMIN_REQUIRED" in refused) == (rule.people is People.ADMINS), "PERMISSION_DENIED in the .proto"
    assert ("NOT_YOURS" in refused) >= (rule.people is People.THEMSELVES and bool(rule.owner)), "as above"


@pytest.mark.parametrize("method", SERVED)
def test_a_comment_of_a_list_names_what_is_wrong_with_a_page(method: str) -> None:
    _, rpc = SERVED[method]
    fields = rpc.input_type.fields_by_name
    refused = failures(rpc, COMMENTS).get("INVALID_ARGUMENT", set())
    for field, reason in (
        ("page_size", "INVALID_PAGE_SIZE"),
        ("page_token", "INVALID_PAGE_TOKEN"),
        ("page", "INVALID_PAGE"),
    ):
        assert (reason in refused) == (field in fields), field


def raised(folder: Path) -> Iterator[str]:
    """Yield the reason of each error that the files of a folder make."""
    nodes = (node for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(reason)), *_]) if name in ERRORS:
                if REASON.fullmatch(reason):
                    yield reason


def every_rpc() -> Iterator[MethodDescriptor]:
    for name in ("identity", "notifications", "cache"):
        yield from methods(name)


@pytest.mark.parametrize("service", ["identity", "notifications", "cache"])
def test_every_reason_that_a_service_raises_is_named_in_a_comment(service: str) -> None:
    named = {reason for rpc in every_rpc() for reasons in failures(rpc, COMMENTS).values() for reason in reasons}
    made = set(raised(ROOT / "services" / service))
    assert made - named - OF_EVERY_CALL - OF_OTHER_CALLERS == set()
