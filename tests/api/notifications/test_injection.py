"""I1: whatever looks like an operator of MongoDB's is data, in every text field of every request."""

import base64
import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode, aio
from pymongo import AsyncMongoClient

from services.notifications.store.keyset import Cursor, encode_cursor
from tests.api.notifications.conftest import Api, refusal
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1 import mailbox_service_pb2 as mailbox
from trivet.notifications.v1 import notification_service_pb2 as pb

OPERATORS = ('{"$gt": ""}', '{"$ne": null}', '{"$regex": ".*"}', '["a"]', "$where", "'; return true; //", "a\0b", ".*")
METHODS = [
    method
    for file in (pb, mailbox, log)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
NEVER = {StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}


def fill(message: Message, text: str) -> Message:
    """Put the text into every text field of the message and of what it holds."""
    for field in message.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            value: Any = [text] if field.is_repeated else text
            getattr(message, field.name).extend(value) if field.is_repeated else setattr(message, field.name, value)
        elif field.message_type is not None and field.message_type.file.package.startswith("trivet."):
            inner = getattr(message, field.name)
            fill(inner.add() if field.is_repeated else inner, text)
    return message


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("text", OPERATORS)
async def test_an_operator_in_every_text_field_finds_and_breaks_nothing(api: Api, method: Any, text: str) -> None:
    request, answer = fill(GetMessageClass(method.input_type)(), text), GetMessageClass(method.output_type)
    call = api.channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}", type(request).SerializeToString, answer.FromString
    )
    failed, found = await outcome(call(request))
    assert failed not in NEVER
    # What is found can only be what the same words made.
    assert all(one.user_id == text for one in getattr(found, "notifications", ()))


async def outcome(call: Awaitable[Message]) -> tuple[StatusCode, Message | None]:
    try:
        return StatusCode.OK, await call
    except aio.AioRpcError as error:
        return error.code(), None


@pytest.mark.parametrize("text", OPERATORS)
async def test_an_operator_is_stored_and_found_as_the_text_it_is(
    api: Api, user: str, text: str, documents: AsyncMongoClient[dict[str, Any]]
) -> None:
    created = await api.create(user, text, message=text, data={"value": text, "list": [text]})
    stored = await documents.get_default_database().notifications.find_one({"_id": created.id})
    assert stored is not None
    assert (stored["title"], stored["message"], stored["data"]) == (text, text, {"value": text, "list": [text]})
    await api.logs.WriteLogs(log.WriteLogsRequest(entries=[log.LogEntry(message=text, user_id=user)]))
    found = await api.logs.QueryLogs(log.QueryLogsRequest(user_id=user, text=text))
    assert [entry.message for entry in found.entries] == [text]


async def test_without_that_an_operator_as_a_value_would_find_everything(
    api: Api, user: str, documents: AsyncMongoClient[dict[str, Any]]
) -> None:
    """The protection off: the same words as an object instead of text."""
    await api.create(user)
    rows = documents.get_default_database().notifications
    assert await rows.count_documents({"userId": json.loads('{"$gt": ""}')}) > 0
    assert await rows.count_documents({"userId": '{"$gt": ""}'}) == 0


@pytest.mark.parametrize("time", [datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
async def test_the_first_and_the_last_moment_are_places_in_a_list(api: Api, user: str, time: datetime) -> None:
    request = pb.ListNotificationsRequest(
        user_id=user, page_token=encode_cursor(Cursor(time, "a"), "notifications", user, False, None)
    )
    assert (await api.notifications.ListNotifications(request)).next_page_token == ""


@pytest.mark.parametrize("after", [[1, {"$gt": ""}], [{"$gt": 0}, "a"], [1], [10**18, "a"], [True, 1], "x", [[1], "a"]])
async def test_a_forged_page_token_is_refused(api: Api, user: str, after: Any) -> None:
    genuine = encode_cursor(Cursor(datetime(2026, 1, 1, tzinfo=UTC), "a"), "notifications", user, False, None)
    digest, _ = json.loads(base64.urlsafe_b64decode(genuine + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([digest, after]).encode()).decode().rstrip("=")
    request = pb.ListNotificationsRequest(user_id=user, page_token=genuine)
    await api.notifications.ListNotifications(request)  # the genuine one is taken
    request.page_token = forged
    refused = await refusal(api.notifications.ListNotifications(request))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
