"""The description is whole: every route is in it, and every reference leads somewhere."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from gateway.api.http_rules import rules
from gateway.api.openapi.document import comments, describe, name_of
from gateway.api.openapi.hand_written import Site
from gateway.api.services import SERVICES
from identity_rules.custom_fields import Field
from tests.harness.described import Description, described

JSON_TYPES = {"null", "object", "array", "string", "number", "integer", "boolean"}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return described()


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
    assert set(api["paths"]["/v1/users/{userId}"]) == {"get", "patch", "delete"}


def test_every_annotated_rpc_is_described(api: dict[str, Any]) -> None:
    found = {operation["operationId"]: operation for _, operation in operations(api)}
    for descriptors in SERVICES.values():
        for rule in rules(descriptors):
            operation = found[name_of(rule)[0].lower() + name_of(rule)[1:]]
            assert operation["summary"], rule.rpc.full_name
            assert operation["responses"]["200"]


def test_operation_ids_are_unique_names_of_methods(api: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(api)]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if not re.fullmatch("[a-z][a-zA-Z]+", name)] == []


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


def test_a_body_has_no_field_that_only_the_server_sets(api: dict[str, Any]) -> None:
    schemas = api["components"]["schemas"]
    assert set(schemas["UserInput"]["properties"]) == {"name", "image", "additional"}
    assert "email" in schemas["NotificationInput"]["properties"]
    assert "email" not in schemas["Notification"]["properties"]


def test_what_the_server_always_answers_is_required(api: dict[str, Any]) -> None:
    schemas = api["components"]["schemas"]
    optional = set(schemas["User"]["properties"]) - set(schemas["User"]["required"])
    assert optional == {"image", "banExpireTime", "additional"}
    assert schemas["ListSessionsResponse"]["required"] == ["sessions", "nextPageToken"]


def test_no_zero_of_an_enum_is_described_but_where_a_read_mask_makes_one(api: dict[str, Any]) -> None:
    schemas = api["components"]["schemas"]
    zeros = {name for name, schema in schemas.items() if "_UNSPECIFIED" in json.dumps(schema.get("enum", ()))}
    assert zeros == {"NotificationTypeOrUnspecified"}
    users = {name for name, schema in schemas.items() if "NotificationTypeOrUnspecified" in json.dumps(schema)}
    assert users == {"Notification"}


def test_every_operation_has_answers_failures_security_and_words(api: dict[str, Any]) -> None:
    for _, operation in operations(api):
        answers = operation["responses"]
        assert answers.keys() & {"200", "302"}, operation["operationId"]
        assert "content" in answers.get("200", {"content"}), operation["operationId"]
        assert "503" in answers or operation["operationId"] == "getLiveness"
        assert "security" in operation
        assert operation["summary"]
        assert len(operation["summary"]) < 120
        assert operation["description"]


def test_reads_take_queries_and_no_body(api: dict[str, Any]) -> None:
    for path, verbs in api["paths"].items():
        assert "requestBody" not in verbs.get("get", {}), path
    verify = api["paths"]["/api/auth/verify-email"]["get"]["parameters"]
    assert {(one["name"], one["in"], one["required"]) for one in verify} == {
        ("token", "query", True),
        ("callbackURL", "query", False),
    }


def test_reasons_and_codes_are_enums_of_their_operation(api: dict[str, Any]) -> None:
    schemas = api["components"]["schemas"]
    assert "USER_NOT_FOUND" in schemas["GetUserReason"]["enum"]
    assert "INVALID_JSON" not in schemas["GetUserReason"]["enum"]
    assert "LAST_ADMIN" in schemas["DeleteUserReason"]["enum"]
    assert "INVALID_EMAIL_OR_PASSWORD" in schemas["AuthSignInEmailCode"]["enum"]
    assert "PROVIDER_NOT_FOUND" in schemas["AuthSignInSocialCode"]["enum"]
    assert "404" in api["paths"]["/v1/users/{userId}"]["get"]["responses"]
    assert "404" not in api["paths"]["/v1/users"]["get"]["responses"]


def test_every_example_is_a_value_of_its_schema(api: dict[str, Any]) -> None:
    description = Description(api)
    found = 0
    for schema in walk([api["paths"], api["components"]["schemas"]]):
        if isinstance(examples := schema.get("examples"), list):
            bare = {key: value for key, value in schema.items() if key != "examples"}
            assert [description.error(bare, value) for value in examples] == [""] * len(examples), schema
            found += len(examples)
    assert found > 200


def test_every_text_and_number_has_an_example(api: dict[str, Any]) -> None:
    missing = [
        (name, member)
        for name, schema in api["components"]["schemas"].items()
        for member, one in schema.get("properties", {}).items()
        if one.get("type") in ("string", "integer", "number") and not one.keys() & {"examples", "enum", "const"}
    ]
    assert missing == [], "give it an example in gateway/api/openapi/examples.py"


def test_every_member_of_a_schema_is_explained(api: dict[str, Any]) -> None:
    missing = [
        (name, member)
        for name, schema in api["components"]["schemas"].items()
        if not name.endswith(("Error", "ErrorInfo", "Detail"))
        for member, one in schema.get("properties", {}).items()
        if not one.get("description") and member != "@type"
    ]
    assert missing == [], "say what it is: in the .proto, or in gateway/api/openapi/examples.py for an auth route"


def test_the_fields_of_a_product_are_described() -> None:
    fields = {
        "company": Field("string", required=True),
        "plan": Field("string", input=False),
        "secret": Field("string", returned=False),
        "tags": Field("string[]"),
    }
    api = describe(SERVICES, [], Site("http://localhost:8000", "c", user_fields=fields))
    schemas = api["components"]["schemas"]
    assert {"company", "plan", "tags"} <= set(schemas["AuthUser"]["required"])
    assert "secret" not in schemas["AuthUser"]["properties"]
    assert {"company", "secret", "tags"} <= set(schemas["AuthSignUp"]["properties"])
    assert "plan" not in schemas["AuthSignUp"]["properties"]
    assert "company" in schemas["AuthSignUp"]["required"]
    assert "company" not in schemas["AuthUpdateUser"].get("required", ())


def test_two_gateways_describe_the_same(api: dict[str, Any]) -> None:
    """Generated clients do not change from one start to the next."""
    assert json.dumps(api) == json.dumps(described())


def test_the_better_auth_routes_are_described_too(api: dict[str, Any]) -> None:
    body = api["paths"]["/api/auth/sign-in/email"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/AuthSignIn"}
    assert set(api["components"]["schemas"]["AuthSignIn"]["required"]) == {"email", "password"}


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
        if not operation["operationId"].startswith("auth")
    }
    assert {"userId", "pageToken"} <= named
    assert not named & {"password", "currentPassword", "newPassword", "token"}
