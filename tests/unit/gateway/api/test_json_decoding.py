"""JSON as messages: what is taken is what the published schema says."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from gateway.api.http_rules import rules
from gateway.api.json_decoding import merge
from gateway.api.openapi.schemas import Schemas
from gateway.api.services import SERVICES
from gateway.http.errors import ApiError


def requests() -> Iterator[Descriptor]:
    """Yield every message that a request's JSON can hold, by the rules of all services."""
    waiting = [rule.rpc.input_type for services in SERVICES.values() for rule in rules(services) if rule.body]
    seen: set[str] = set()
    while waiting:
        descriptor = waiting.pop()
        if descriptor.full_name in seen or descriptor.full_name.startswith("google.protobuf."):
            continue
        seen.add(descriptor.full_name)
        yield descriptor
        waiting += [field.message_type for field in descriptor.fields if field.message_type is not None]


FIELDS: list[FieldDescriptor] = [field for descriptor in requests() for field in descriptor.fields]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.full_name)
def test_null_is_taken_where_the_schema_allows_it_and_nowhere_else(field: FieldDescriptor) -> None:
    schema = Schemas({}).field(field, sent=True)
    allows_null = not {"type", "$ref"} & set(schema)
    assert field.containing_type is not None
    message = GetMessageClass(field.containing_type)()
    refused = None
    try:
        merge(message, {field.json_name: None})
    except ApiError as error:
        refused = (error.reason, error.field)
    assert refused == (None if allows_null else ("INVALID_VALUE", field.json_name))
