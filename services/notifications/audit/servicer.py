"""AuditService over gRPC: decode, one call, encode."""

from runtime.paging import page_size
from runtime.rpc.interceptor_chain import Context
from services.notifications.audit import messages as audit_messages
from services.notifications.audit.events import Audit
from trivet.notifications.v1 import audit_service_pb2 as audit
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceServicer

DEFAULT_AUDIT_PAGE_SIZE = 50


class AuditServicer(AuditServiceServicer):
    """`trivet.notifications.v1.AuditService`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def RecordAuditEvents(
        self, request: audit.RecordAuditEventsRequest, context: Context
    ) -> audit.RecordAuditEventsResponse:
        events = [audit_messages.decode_event(event, index) for index, event in enumerate(request.events)]
        return audit.RecordAuditEventsResponse(recorded_count=await self._audit.record(events))

    async def ListAuditEvents(
        self, request: audit.ListAuditEventsRequest, context: Context
    ) -> audit.ListAuditEventsResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_AUDIT_PAGE_SIZE)
        criteria = audit_messages.decode_filter(request)
        page = await self._audit.page(
            criteria, size=size, encode=audit_messages.encode_event, page_token=request.page_token
        )
        return audit.ListAuditEventsResponse(events=page.events, next_page_token=page.next_page_token)
