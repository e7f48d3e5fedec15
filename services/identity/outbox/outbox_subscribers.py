"""The subscribers of the outbox: they deliver mails, audit events and erasures to the notifications service."""

import json
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import grpc

from runtime.clock import timestamp
from runtime.delivery_errors import delivery_error
from runtime.errors import DeliveryRejectedError, Unavailable
from runtime.sealing import Sealer
from services.identity.outbox import audit, erasure, mail
from services.identity.outbox.outbox import OutboxMessage, Subscriber
from trivet.client import Channel
from trivet.notifications.v1.audit_service_pb2 import AuditEvent, RecordAuditEventsRequest
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceStub
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Email, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub
from trivet.notifications.v1.resources_pb2 import NOTIFICATION_TYPE_EMAIL
from trivet.notifications.v1.user_data_service_pb2 import EraseUserDataRequest
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceStub

Answer = TypeVar("Answer")

SECONDS = 2.0
AUDIT_BATCH = 100


def subscribers(channel: Channel, sealer: Sealer) -> Mapping[str, Subscriber]:
    """Return the subscriber of each topic, over a channel to the notifications service."""
    notifications, events, data = (
        NotificationServiceStub(channel),
        AuditServiceStub(channel),
        UserDataServiceStub(channel),
    )
    return {
        mail.TOPIC: Subscriber(partial(_send_mail, notifications, sealer), at_once=True),
        audit.TOPIC: Subscriber(partial(_record, events), batch=AUDIT_BATCH),
        erasure.TOPIC: Subscriber(partial(_erase, data)),
    }


async def _send_mail(stub: NotificationServiceStub, sealer: Sealer, notes: Sequence[OutboxMessage]) -> None:
    for note in notes:
        mail_id, letter = mail.opened(note, sealer)
        if not letter.to:
            continue  # written only so that the response time does not reveal whether the email is registered
        notification = Notification(
            user_id=letter.user_id,
            type=NOTIFICATION_TYPE_EMAIL,
            title=letter.title,
            topic=letter.about,
            email=Email(to=letter.to, subject=letter.subject, text=letter.text, html=letter.html),
        )
        request = CreateNotificationRequest(notification=notification, request_id=f"mail:{mail_id}")
        try:
            await call(stub.CreateNotification(request, timeout=SECONDS))
        except DeliveryRejectedError as error:
            if error.reason != "USER_ERASED":  # the user is deleted, and the mail with them
                raise


async def _record(stub: AuditServiceStub, notes: Sequence[OutboxMessage]) -> None:
    events = [_event(note) for note in notes]
    await call(stub.RecordAuditEvents(RecordAuditEventsRequest(events=events), timeout=SECONDS))


def _event(note: OutboxMessage) -> AuditEvent:
    try:
        values = json.loads(note.payload)
        return AuditEvent(
            id=values["id"],
            time=timestamp(datetime.fromisoformat(values["time"])),
            kind=values["happened"],
            user_id=values["user_id"],
            actor=values["actor"],
            detail=values["detail"],
            **values["origin"],
        )
    except (ValueError, KeyError, TypeError):
        raise DeliveryRejectedError("its payload cannot be read") from None


async def _erase(stub: UserDataServiceStub, notes: Sequence[OutboxMessage]) -> None:
    for note in notes:
        request = EraseUserDataRequest(user_id=erasure.user_of(note))
        if not (await call(stub.EraseUserData(request, timeout=SECONDS))).complete:
            # The next relay continues, so that one large erasure does not delay the notes of others.
            raise Unavailable("ERASURE_UNDER_WAY", "there is more to erase than one call has time for")


async def call(rpc: Awaitable[Answer]) -> Answer:
    """Return the answer of a call to a receiver. Raises Unavailable and DeliveryRejectedError as `Deliver` says."""
    try:
        return await rpc
    except grpc.aio.AioRpcError as error:
        raise delivery_error(error, "notifications") from error
