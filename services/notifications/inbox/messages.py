"""Decodes and encodes the messages of notification_service.proto."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from runtime.errors import InvalidArgument
from runtime.struct_codec import plain
from services.notifications.delivery.email.message import Email
from services.notifications.inbox.draft import Channel, Draft
from services.notifications.store.mongo import Document
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1 import resources_pb2

CHANNELS: dict["resources_pb2.NotificationType.ValueType", Channel] = {
    resources_pb2.NOTIFICATION_TYPE_EMAIL: "email",
    resources_pb2.NOTIFICATION_TYPE_PUSH: "push",
    resources_pb2.NOTIFICATION_TYPE_IN_APP: "in-app",
}
CHANNEL_NUMBERS = {channel: number for number, channel in CHANNELS.items()}
# The fields of a Notification that responses contain, and the key of each in its document.
KEYS = {
    "id": "_id",
    "user_id": "userId",
    "type": "type",
    "title": "title",
    "message": "message",
    "topic": "topic",
    "data": "data",
    "read": "read",
    "read_time": "readAt",
    "send_time": "sentAt",
    "create_time": "createdAt",
    "update_time": "updatedAt",
    "expire_time": "expiresAt",
}
TEXTS = ("title", "message", "topic")
TIMES = ("read_time", "send_time", "create_time", "update_time", "expire_time")


def fields_of(mask: FieldMask) -> list[str]:
    """Return the fields of a read mask. An empty mask and `*` mean all. Raises InvalidArgument for an unknown field."""
    if not mask.paths or list(mask.paths) == ["*"]:
        return list(KEYS)
    for path in mask.paths:
        if path not in KEYS:
            raise InvalidArgument("INVALID_READ_MASK", f"a notification has no field {path[:64]!r}", field="read_mask")
    return list(mask.paths)


def keys_of(fields: Sequence[str]) -> list[str]:
    """Return the keys of the fields in a document, for a projection."""
    return [KEYS[field] for field in fields]


def encode_notification(document: Document, fields: Collection[str] = KEYS) -> pb.Notification:
    """Return the document's named fields as a message, which never contains the mail."""
    message = pb.Notification()
    for field in fields:
        value = document.get(KEYS[field])
        if value is None:
            continue
        if field == "type":
            message.type = CHANNEL_NUMBERS[value]
        elif field == "data":
            if value:
                message.data.update(value)
        elif field in TIMES:
            getattr(message, field).FromDatetime(value)
        else:
            setattr(message, field, value)
    return message


def decode_draft(request: pb.CreateNotificationRequest) -> Draft:
    """Return the notification to store. Output-only fields are ignored. Raises InvalidArgument."""
    notification = request.notification
    email = notification.email
    return Draft(
        user_id=notification.user_id,
        channel=decode_channel(notification.type, "notification.type") or "in-app",
        title=notification.title,
        message=notification.message,
        topic=notification.topic,
        data=plain(notification.data, "notification.data"),
        email=Email(email.to, email.subject, email.text, email.html) if notification.HasField("email") else None,
        ttl=_duration(request.ttl) if request.HasField("ttl") else None,
        request_id=request.request_id,
    )


def decode_channel(number: "resources_pb2.NotificationType.ValueType", field: str) -> Channel | None:
    """Return the channel of an enum value, None if it is unspecified. Raises InvalidArgument for an unknown value."""
    if number == resources_pb2.NOTIFICATION_TYPE_UNSPECIFIED:
        return None
    if number not in CHANNELS:
        raise InvalidArgument("INVALID_FIELD", f"{field} must be a NotificationType, not {number}", field=field)
    return CHANNELS[number]


def encode_type_stats(group: Document) -> pb.NotificationTypeStats:
    return pb.NotificationTypeStats(
        type=CHANNEL_NUMBERS[group["_id"]], total_count=group["total"], unread_count=group["unread"]
    )


def _duration(message: Duration) -> timedelta:
    try:
        return message.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidArgument("INVALID_FIELD", "ttl is not a valid duration", field="ttl") from None
