"""A value without a kind, an error in protobuf's own words, is an invalid argument wherever data is free-form."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from grpc import StatusCode

from runtime.ids import new_id
from tests.api.notifications.conftest import refusal
from tests.api.stack.test_paging import POLICIES, SERVED, descriptor
from tests.conftest import Engines
from tests.harness.processes import client
from tests.harness.rpc import raw
from tests.harness.whole import SERVICES, Stores, Whole, whole

FIELDS = '{"phone":{"type":"string"}}'
Put = Callable[[Any, Struct], None]


def put_additional(request: Any, value: Struct) -> None:
    request.additional.CopyFrom(value)


def put_in_user(request: Any, value: Struct) -> None:
    request.user.additional.CopyFrom(value)


def put_in_notification(request: Any, value: Struct) -> None:
    request.notification.title = "Hello"
    request.notification.user_id = "ann"
    request.notification.data.CopyFrom(value)


def put_in_entry(request: Any, value: Struct) -> None:
    request.entries.add(message="Hello", attributes=value)


TAKING: dict[str, Put] = {
    "trivet.identity.v1.AuthService/SignUp": put_additional,
    "trivet.identity.v1.UserService/UpdateUser": put_in_user,
    "trivet.identity.v1.SessionService/UpdateSession": put_additional,
    "trivet.notifications.v1.NotificationService/CreateNotification": put_in_notification,
    "trivet.notifications.v1.LogService/WriteLogs": put_in_entry,
}


def takes_data(message: Descriptor) -> bool:
    below = [field.message_type for field in message.fields if field.message_type is not None]
    ours = [inner for inner in below if inner.file.package.startswith("trivet.")]
    return any(inner.full_name == "google.protobuf.Struct" for inner in below) or any(map(takes_data, ours))


def test_no_rpc_that_takes_free_form_data_is_left_out() -> None:
    assert {method for method in SERVED if takes_data(descriptor(method).input_type)} == TAKING.keys()


@pytest.fixture(scope="module")
def running(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("structs")
    mongodb = f"{engine.get('secantusdb').url}/trivet_structs_{new_id()}"
    stores = Stores(f"sqlite:///{folder / 'trivet.db'}", mongodb, engine.get("valkey").url)
    fields = {"TRIVET_USER_FIELDS": FIELDS, "TRIVET_SESSION_FIELDS": FIELDS}
    with whole(stores, *SERVICES, **fields) as processes:
        yield processes


def filled(request: Any) -> None:
    """Set what is required besides the data, where it is one of these."""
    values = {"name": "Ann", "email": "ann@x.io", "password": "correct horse battery"}
    values |= {"user_id": "ann", "session_id": "s"}
    for name, value in values.items():
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, value)


@pytest.mark.parametrize("method", TAKING)
async def test_a_value_without_a_kind_is_an_invalid_argument(running: Whole, method: str) -> None:
    value = Struct()
    value.fields["phone"].SetInParent()
    request: Message = GetMessageClass(descriptor(method).input_type)()
    filled(request)
    TAKING[method](request, value)
    if method.endswith("/UpdateUser"):
        request.user.id = "ann"  # type: ignore[attr-defined]  # as its .proto says
    process = next(name for name, policy in POLICIES.items() if method in policy)
    async with client(running[process]) as channel:
        refused = await refusal(raw(channel, f"/{method}")(request.SerializeToString()))
    assert (refused.code, refused.reason) == (StatusCode.INVALID_ARGUMENT, "VALUE_WITHOUT_KIND")
    assert refused.fields[0].endswith("phone")
