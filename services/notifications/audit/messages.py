"""Decodes and encodes the messages of audit_service.proto."""

from runtime.clock import timestamp
from runtime.errors import InvalidArgument
from services.notifications.audit.events import AuditEvent, AuditFilter
from services.notifications.store.mongo import Document
from services.notifications.store.time_range import bound, time_of
from trivet.notifications.v1 import audit_service_pb2 as pb


def decode_event(message: pb.AuditEvent, index: int) -> AuditEvent:
    """Return the event with this index in a batch. Raises InvalidArgument for a missing or invalid time."""
    path = f"events[{index}].time"
    if not message.HasField("time"):
        raise InvalidArgument("REQUIRED_FIELD_MISSING", f"{path} is required", field=path)
    return AuditEvent(
        message.id,
        time_of(message.time, path),
        message.kind,
        message.user_id,
        message.actor,
        message.ip_address,
        message.user_agent,
        message.detail,
    )


def encode_event(document: Document) -> pb.AuditEvent:
    personal = document.get("personal", {})
    return pb.AuditEvent(
        id=document["_id"],
        time=timestamp(document["time"]),
        kind=document["kind"],
        user_id=document["userId"],
        actor=document["actor"],
        ip_address=personal.get("ipAddress", ""),
        user_agent=personal.get("userAgent", ""),
        detail=personal.get("detail", ""),
    )


def decode_filter(request: pb.ListAuditEventsRequest) -> AuditFilter:
    """Return the filter of the request. Raises InvalidArgument for an invalid time."""
    return AuditFilter(
        request.user_id,
        request.kind,
        bound(request.start_time, "start_time") if request.HasField("start_time") else None,
        bound(request.end_time, "end_time") if request.HasField("end_time") else None,
    )
