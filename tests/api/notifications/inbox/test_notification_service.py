"""NotificationService and MailboxService through the real process: codes, reasons, fields, and whose data it is."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from runtime.ids import new_id
from tests.api.notifications.conftest import Api, refusal
from tests.harness.processes import client, process
from trivet.client import acting_for
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.mailbox_service_pb2 import ListMailboxMessagesRequest
from trivet.notifications.v1.resources_pb2 import (
    NOTIFICATION_TYPE_EMAIL,
    NOTIFICATION_TYPE_IN_APP,
    NOTIFICATION_TYPE_PUSH,
)

INVALID = StatusCode.INVALID_ARGUMENT
EMAIL = pb.Email(to="ann@x.io", subject="Verify", text="Go to https://x.io/v?t=1", html="")


async def test_a_notification_goes_all_the_way(api: Api, user: str) -> None:
    created = await api.create(user, "Shipped", message="On its way", topic="orders", data={"id": "o1", "n": 2})
    assert created.type == NOTIFICATION_TYPE_IN_APP
    with acting_for(user, "user"):
        page = await api.notifications.ListNotifications(pb.ListNotificationsRequest())
        assert list(page.notifications) == [created]
        assert (await api.notifications.CountUnread(pb.CountUnreadRequest())).unread_count == 1
        read = await api.notifications.MarkRead(pb.MarkReadRequest(notification_id=created.id))
        assert read.read
        assert read.read_time == read.update_time
        assert (await api.notifications.CountUnread(pb.CountUnreadRequest())).unread_count == 0
        stats = await api.notifications.GetNotificationStats(pb.GetNotificationStatsRequest())
        assert [(one.type, one.total_count, one.unread_count) for one in stats.types] == [(created.type, 1, 0)]
        await api.notifications.DeleteNotification(pb.DeleteNotificationRequest(notification_id=created.id))
        gone = await refusal(api.notifications.GetNotification(pb.GetNotificationRequest(notification_id=created.id)))
    assert (gone.code, gone.reason) == (StatusCode.NOT_FOUND, "NOTIFICATION_NOT_FOUND")


async def test_output_only_fields_of_a_create_are_passed_over(api: Api, user: str) -> None:
    """I5."""
    created = await api.create(user, read=True, id="mine", create_time={"seconds": 1})
    assert (created.read, created.id == "mine", created.create_time.seconds > 1) == (False, False, True)


async def test_the_read_mask_chooses_fields_in_get_and_list(api: Api, user: str) -> None:
    created = await api.create(user, "Hello", message="long")
    mask = FieldMask(paths=["title", "read"])
    got = await api.notifications.GetNotification(pb.GetNotificationRequest(notification_id=created.id, read_mask=mask))
    assert got == pb.Notification(title="Hello")
    page = await api.notifications.ListNotifications(pb.ListNotificationsRequest(user_id=user, read_mask=mask))
    assert list(page.notifications) == [got]


@pytest.mark.parametrize("path", ["titel", "email", "data.x", "user_id.x", "_id", "$where", ""])
async def test_a_read_mask_with_an_unknown_field_is_refused(api: Api, user: str, path: str) -> None:
    request = pb.ListNotificationsRequest(user_id=user, read_mask=FieldMask(paths=[path]))
    refused = await refusal(api.notifications.ListNotifications(request))
    assert (refused.code, refused.fields) == (INVALID, ("read_mask",))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": 10_001}, "page_size"),
        ({"page": 0}, "page"),
        ({"page": 2, "page_token": "x"}, "page"),
        ({"page_token": "not ours"}, "page_token"),
        ({"page_token": "W10"}, "page_token"),
        ({"type": 77}, "type"),
    ],
)
async def test_a_bad_page_is_refused_by_its_field(api: Api, user: str, values: dict[str, Any], field: str) -> None:
    refused = await refusal(api.notifications.ListNotifications(pb.ListNotificationsRequest(user_id=user, **values)))
    assert (refused.code, refused.fields) == (INVALID, (field,))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": "x" * 201}, "notification.title"),
        ({"message": "x" * 10_001}, "notification.message"),
        ({"topic": "Orders!"}, "notification.topic"),
        ({"topic": "x" * 65}, "notification.topic"),
        ({"user_id": "x" * 129}, "notification.user_id"),
        ({"type": 77}, "notification.type"),
        ({"data": {"big": "x" * 16_384}}, "notification.data"),
        ({"data": {"$gt": ""}}, "notification.data"),
        ({"data": {"deep": {"a.b": 1}}}, "notification.data.deep"),
        ({"data": {"list": [{"nul\0": 1}]}}, "notification.data.list[0]"),
        ({"data": {"nan": float("nan")}}, "notification.data.nan"),
        ({"email": EMAIL}, "notification.email"),
        ({"type": NOTIFICATION_TYPE_EMAIL}, "notification.email"),
        ({"title": ""}, "notification.title"),
        ({"user_id": ""}, "notification.user_id"),
    ],
)
async def test_a_create_that_breaks_a_rule_is_refused_by_its_field(
    api: Api, user: str, values: dict[str, Any], field: str
) -> None:
    refused = await refusal(api.create(**({"user_id": user} | values)))
    assert (refused.code, refused.fields) == (INVALID, (field,))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", "ann@x.io\r\nBcc: all@x.io"),
        ("to", "ann@x.io, bob@x.io"),
        ("to", "Ann <ann@x.io>"),
        ("to", "nobody"),
        ("subject", "Hello\r\nBcc: all@x.io"),
        ("subject", "Hello\u2028there"),
        ("subject", "x" * 201),
        ("text", "x" * 100_001),
        ("html", "x" * 100_001),
    ],
)
async def test_a_mail_with_more_than_one_address_or_line_in_its_head_is_refused(
    api: Api, user: str, field: str, value: str
) -> None:
    """I7: a line break would begin another header."""
    email = pb.Email()
    email.CopyFrom(EMAIL)
    setattr(email, field, value)
    refused = await refusal(api.create(user, type=NOTIFICATION_TYPE_EMAIL, email=email))
    assert (refused.code, refused.fields) == (INVALID, (f"notification.email.{field}",))


@pytest.mark.parametrize(
    "ttl",
    [Duration(seconds=-1), Duration(), Duration(seconds=2**40), Duration(seconds=2**62), Duration(nanos=-(2**31))],
)
async def test_an_impossible_ttl_is_refused(api: Api, user: str, ttl: Duration) -> None:
    request = pb.CreateNotificationRequest(notification=pb.Notification(user_id=user, title="x"), ttl=ttl)
    refused = await refusal(api.notifications.CreateNotification(request))
    assert (refused.code, refused.fields) == (INVALID, ("ttl",))


async def test_a_request_id_is_the_callers_own_and_a_person_is_another_caller(api: Api, user: str) -> None:
    """R25."""
    request = pb.CreateNotificationRequest(notification=pb.Notification(user_id=user, title="x"), request_id=new_id())
    first = await api.notifications.CreateNotification(request)
    assert await api.notifications.CreateNotification(request) == first
    with acting_for(new_id(), "admin"):
        assert (await api.notifications.CreateNotification(request)).id != first.id
    request.notification.title = "y"
    refused = await refusal(api.notifications.CreateNotification(request))
    assert (refused.code, refused.reason) == (StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")


async def test_nobody_reaches_what_is_anothers(api: Api, user: str) -> None:
    """I6."""
    created = await api.create(user)
    calls = api.notifications
    with acting_for(new_id(), "user"):
        for call in (
            calls.GetNotification(pb.GetNotificationRequest(notification_id=created.id)),
            calls.MarkRead(pb.MarkReadRequest(notification_id=created.id)),
            calls.DeleteNotification(pb.DeleteNotificationRequest(notification_id=created.id)),
        ):
            assert (await refusal(call)).code == StatusCode.NOT_FOUND
        for named in (
            calls.ListNotifications(pb.ListNotificationsRequest(user_id=user)),
            calls.BatchMarkRead(pb.BatchMarkReadRequest(user_id=user, notification_ids=[created.id])),
            calls.MarkAllRead(pb.MarkAllReadRequest(user_id=user)),
            calls.CountUnread(pb.CountUnreadRequest(user_id=user)),
            calls.GetNotificationStats(pb.GetNotificationStatsRequest(user_id=user)),
        ):
            assert (await refusal(named)).reason == "NOT_YOURS"
        own = await calls.BatchMarkRead(pb.BatchMarkReadRequest(notification_ids=[created.id]))
        assert own.updated_count == 0
        assert (await refusal(api.create(user))).reason == "ADMIN_REQUIRED"
        box = await refusal(api.mailbox.ListMailboxMessages(ListMailboxMessagesRequest()))
        assert box.code == StatusCode.PERMISSION_DENIED
    with acting_for(new_id(), "admin"):
        assert await calls.GetNotification(pb.GetNotificationRequest(notification_id=created.id)) == created


async def test_a_service_that_names_no_user_is_told_to(api: Api) -> None:
    refused = await refusal(api.notifications.CountUnread(pb.CountUnreadRequest()))
    assert (refused.reason, refused.fields) == ("REQUIRED_FIELD_MISSING", ("user_id",))


async def test_kept_mail_comes_with_its_links(api: Api, user: str) -> None:
    await api.create(user, type=NOTIFICATION_TYPE_EMAIL, email=EMAIL)
    newest = (await api.mailbox.ListMailboxMessages(ListMailboxMessagesRequest())).messages[0]
    assert (newest.to, newest.subject, newest.text) == (EMAIL.to, EMAIL.subject, EMAIL.text)
    assert list(newest.links) == ["https://x.io/v?t=1"]


async def test_production_refuses_mail_until_a_sender_is_set_and_keeps_none(mongodb_url: str, user: str) -> None:
    with process("notifications", MONGODB_URI=mongodb_url, TRIVET_ENV="production") as running:
        async with client(running) as channel:
            production = Api(channel)
            mail = await refusal(production.create(user, type=NOTIFICATION_TYPE_EMAIL, email=EMAIL))
            assert (mail.code, mail.reason) == (StatusCode.FAILED_PRECONDITION, "EMAIL_NOT_CONFIGURED")
            box = await refusal(production.mailbox.ListMailboxMessages(ListMailboxMessagesRequest()))
            assert (box.code, box.reason) == (StatusCode.FAILED_PRECONDITION, "MAILBOX_OFF")


async def test_push_is_unimplemented_and_no_setting_is_named_that_does_not_exist(api: Api, user: str) -> None:
    refused = await refusal(api.create(user, type=NOTIFICATION_TYPE_PUSH))
    assert (refused.code, refused.reason) == (StatusCode.UNIMPLEMENTED, "PUSH_NOT_IMPLEMENTED")
