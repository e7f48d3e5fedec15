"""What the .proto files mark REQUIRED is looked for where it must be, and not where it need not."""

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from runtime.errors import InvalidArgument
from runtime.rpc.validation import validator
from trivet.cache.v1.cache_pb2 import BatchGetRequest, Entry, GetStatsRequest, IncrementRequest, SetRequest
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_admin_service_pb2 import SetUserRoleRequest
from trivet.identity.v1.user_service_pb2 import UpdateUserRequest
from trivet.notifications.v1.log_service_pb2 import WriteLogsRequest
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Email, Notification


def missing(request: Message, method: str) -> str:
    """Return the path that is said to be missing, or nothing."""
    try:
        check(request, method)
    except InvalidArgument as error:
        return f"{error.field}" if error.reason == "REQUIRED_FIELD_MISSING" else error.reason
    return ""


def check(request: Message, method: str) -> None:
    descriptor = request.DESCRIPTOR
    assert isinstance(descriptor, Descriptor)
    validator(descriptor, method)(request)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (CreateNotificationRequest(), "notification"),
        (CreateNotificationRequest(notification=Notification(title="t")), "notification.user_id"),
        (CreateNotificationRequest(notification=Notification(user_id="u")), "notification.title"),
        (
            CreateNotificationRequest(notification=Notification(user_id="u", title="t", email=Email(to="a@b.c"))),
            "notification.email.subject",
        ),
        (CreateNotificationRequest(notification=Notification(user_id="u", title="t")), ""),
    ],
)
def test_a_create_is_looked_through_to_the_bottom(request_: Message, path: str) -> None:
    assert missing(request_, "CreateNotification") == path


def test_inside_an_updates_resource_nothing_is_required() -> None:
    assert missing(UpdateUserRequest(), "UpdateUser") == "user"
    assert missing(UpdateUserRequest(user=User()), "UpdateUser") == ""


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (SetRequest(namespace="n"), "entry"),
        (SetRequest(namespace="n", entry=Entry()), "entry.key"),
        (BatchGetRequest(namespace="n"), "keys"),
        (WriteLogsRequest(), "entries"),
        (SetUserRoleRequest(user_id="u"), "role"),
        (GetStatsRequest(), ""),
    ],
)
def test_messages_lists_texts_and_enums_count_as_missing_when_empty(request_: Message, path: str) -> None:
    assert missing(request_, "Any") == path


def test_zero_and_false_are_values_where_a_field_is_optional() -> None:
    """`optional` gives a number presence: what is set to zero was sent."""
    assert missing(IncrementRequest(namespace="n", key="k", delta=0), "Increment") == ""


def test_a_required_optional_bool_is_missing_only_when_it_was_not_sent() -> None:
    switch = made_on_the_fly()
    with pytest.raises(InvalidArgument, match="on is required"):
        check(switch(), "Turn")
    check(switch(on=False), "Turn")


def made_on_the_fly() -> type[Message]:
    """A message with `optional bool on` and a plain `int32 level`, both REQUIRED: our own files have no such yet."""
    file = FileDescriptorProto(name="switch.proto", package="trivet.test", syntax="proto3")
    file.dependency.append("google/api/field_behavior.proto")
    message = file.message_type.add(name="Switch")
    message.oneof_decl.add(name="_on")
    message.field.add(name="on", number=1, type=Field.TYPE_BOOL, oneof_index=0, proto3_optional=True)
    message.field.add(name="level", number=2, type=Field.TYPE_INT32)
    for field in message.field:
        field.label = Field.LABEL_OPTIONAL
        field.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    descriptor_pool.Default().Add(file)
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName("trivet.test.Switch"))
