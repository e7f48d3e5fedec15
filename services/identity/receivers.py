"""Who is told of what the outbox holds: the notifications service, of mails, audit events and erasures."""

from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any

import grpc

from runtime.errors import Unavailable
from runtime.sealing import Sealer
from services.identity import mail
from services.identity.outbox import Note, Receiver, RefusedError
from trivet.client import Channel, reason_of
from trivet.notifications.v1.notification_service_pb2 import (
    NOTIFICATION_TYPE_EMAIL,
    CreateNotificationRequest,
    Email,
    Notification,
)
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub

SECONDS = 2.0
# Codes that say that the request itself is wrong, or that nobody has set up what it takes.
REFUSALS = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
)


def receivers(channel: Channel, sealer: Sealer) -> Mapping[str, Receiver]:
    """Return by topic who is told, over a channel to the notifications service."""
    notifications = NotificationServiceStub(channel)
    return {mail.TOPIC: Receiver(partial(_send_mail, notifications, sealer), at_once=True)}


async def _send_mail(stub: NotificationServiceStub, sealer: Sealer, notes: Sequence[Note]) -> None:
    for note in notes:
        mail_id, letter = mail.opened(note, sealer)
        notification = Notification(
            user_id=letter.user_id,
            type=NOTIFICATION_TYPE_EMAIL,
            title=letter.title,
            topic=letter.about,
            email=Email(to=letter.to, subject=letter.subject, text=letter.text, html=letter.html),
        )
        request = CreateNotificationRequest(notification=notification, request_id=f"mail:{mail_id}")
        await told(stub.CreateNotification(request, timeout=SECONDS))


async def told(call: Awaitable[Any]) -> None:
    """Await a call to a receiver. Raises Unavailable and RefusedError as `Deliver` says."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        if error.code() in REFUSALS:
            raise RefusedError(reason_of(error) or error.code().name) from error
        raise Unavailable("NOTIFICATIONS_UNAVAILABLE", "the notifications service does not answer") from error
