"""The description is whole: every route is in it, and every reference leads somewhere."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from gateway.api.http_rules import rules
from gateway.api.openapi.document import comments, describe
from gateway.api.services import SERVICES

JSON_TYPES = {"object", "array", "string", "number", "integer", "boolean"}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return describe(SERVICES, [], cookie="better-auth.session_token")


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def operations(api: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, verbs in api["paths"].items() for operation in verbs.values()]


def test_it_is_openapi_3_1_and_json(api: dict[str, Any]) -> None:
    assert json.loads(json.dumps(api))["openapi"] == "3.1.0"
    assert api["info"]["title"]
    assert api["info"]["version"]


def test_every_reference_leads_somewhere(api: dict[str, Any]) -> None:
    references = {item["$ref"] for item in walk(api) if isinstance(item.get("$ref"), str)}
    names = {reference.removeprefix("#/components/schemas/") for reference in references}
    assert names
    assert names <= set(api["components"]["schemas"])


def test_paths_that_differ_by_a_name_alone_are_one(api: dict[str, Any]) -> None:
    """OpenAPI holds them to be identical."""
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in api["paths"]]
    assert len(shapes) == len(set(shapes))
    assert set(api["paths"]["/v1/users/{user_id}"]) == {"get", "patch", "delete"}


def test_every_annotated_rpc_is_described(api: dict[str, Any]) -> None:
    described = {operation["operationId"]: operation for _, operation in operations(api)}
    for descriptors in SERVICES.values():
        for rule in rules(descriptors):
            operation = described[f"{rule.rpc.containing_service.name}_{rule.rpc.name}"]
            assert operation["summary"], rule.rpc.full_name
            assert operation["responses"]["200"]


def test_operation_ids_are_unique(api: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(api)]
    assert len(ids) == len(set(ids))


def test_each_variable_of_a_path_is_a_required_parameter(api: dict[str, Any]) -> None:
    for path, operation in operations(api):
        named = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"}
        assert named == {part.partition("}")[0] for part in path.split("{")[1:]}
        assert all(item["required"] for item in operation.get("parameters", ()) if item["in"] == "path")


def test_schemas_are_json_schema(api: dict[str, Any]) -> None:
    for schema in walk(api["components"]["schemas"]):
        if isinstance(schema.get("type"), str):
            assert schema["type"] in JSON_TYPES | {"apiKey", "http"}
        if isinstance(schema.get("required"), list):
            assert set(schema["required"]) <= set(schema["properties"])


def test_what_only_the_server_says_is_read_only(api: dict[str, Any]) -> None:
    user = api["components"]["schemas"]["User"]["properties"]
    assert user["role"]["readOnly"]
    assert "readOnly" not in user["name"]
    assert user["name"]["description"] == "As the person wrote it, up to 255 characters."


def test_the_better_auth_routes_are_described_too(api: dict[str, Any]) -> None:
    body = api["paths"]["/api/auth/sign-in/email"]["post"]["requestBody"]
    assert set(body["content"]["application/json"]["schema"]["required"]) == {"email", "password"}


def test_every_field_that_http_may_see_has_a_comment() -> None:
    said = comments()

    def described(descriptor: Descriptor) -> None:
        for field in descriptor.fields:
            assert said.get(field.full_name), field.full_name

    for descriptors in SERVICES.values():
        for rule in rules(descriptors):
            assert said.get(rule.rpc.full_name)
            described(rule.rpc.input_type)


def test_no_secret_is_a_parameter(api: dict[str, Any]) -> None:
    """L2: what stands in a URL is kept by proxies and histories; a mailed link has to, and is good once."""
    named = {
        item["name"]
        for _, operation in operations(api)
        for item in operation.get("parameters", ())
        if operation["operationId"] != "get/api/auth/reset-password/{token}"
    }
    assert {"userId", "pageToken"} <= named
    assert not named & {"password", "currentPassword", "newPassword", "token"}
