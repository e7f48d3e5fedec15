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
from services.identity.outbox.delivery import OutboxMessage, Subscriber
from trivet.client import Channel
from trivet.notifications.v1.audit_service_pb2 import AuditEvent, RecordAuditEventsRequest
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceStub
from trivet.notifications.v1.notification_service_pb2 import CreateNotificationRequest, Email, Notification
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceStub
from trivet.notifications.v1.resources_pb2 import NOTIFICATION_TYPE_EMAIL
from trivet.notifications.v1.user_data_service_pb2 import EraseUserDataRequest
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceStub

Response = TypeVar("Response")

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


async def _send_mail(stub: NotificationServiceStub, sealer: Sealer, messages: Sequence[OutboxMessage]) -> None:
    for message in messages:
        mail_id, content = mail.unseal(message, sealer)
        if not content.to:
            continue  # a decoy: see `Mailer.decoy`
        notification = Notification(
            user_id=content.user_id,
            type=NOTIFICATION_TYPE_EMAIL,
            title=content.title,
            topic=content.about,
            email=Email(to=content.to, subject=content.subject, text=content.text, html=content.html),
        )
        request = CreateNotificationRequest(notification=notification, request_id=f"mail:{mail_id}")
        try:
            await call(stub.CreateNotification(request, timeout=SECONDS))
        except DeliveryRejectedError as error:
            if error.reason != "USER_ERASED":  # the user is deleted, and the mail with them
                raise


async def _record(stub: AuditServiceStub, messages: Sequence[OutboxMessage]) -> None:
    events = [_event(message) for message in messages]
    await call(stub.RecordAuditEvents(RecordAuditEventsRequest(events=events), timeout=SECONDS))


def _event(message: OutboxMessage) -> AuditEvent:
    try:
        values = json.loads(message.payload)
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


async def _erase(stub: UserDataServiceStub, messages: Sequence[OutboxMessage]) -> None:
    for message in messages:
        request = EraseUserDataRequest(user_id=erasure.user_of(message))
        if not (await call(stub.EraseUserData(request, timeout=SECONDS))).complete:
            # The next relay continues, so that one large erasure does not delay the messages of others.
            raise Unavailable("ERASURE_UNDER_WAY", "the erasure takes longer than one call")


async def call(rpc: Awaitable[Response]) -> Response:
    """Return the response of an RPC. Raises Unavailable and DeliveryRejectedError as `Deliver` describes."""
    try:
        return await rpc
    except grpc.aio.AioRpcError as error:
        raise delivery_error(error, "notifications") from error
