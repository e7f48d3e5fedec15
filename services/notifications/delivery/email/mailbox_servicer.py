"""MailboxService over gRPC: decode, one call, encode."""

from runtime.paging import page_size
from runtime.rpc.interceptor_chain import Context
from services.notifications.delivery.email.mailbox import Mailbox
from services.notifications.delivery.email.messages import encode_mailbox_message
from trivet.notifications.v1 import mailbox_service_pb2 as pb
from trivet.notifications.v1.mailbox_service_pb2_grpc import MailboxServiceServicer

DEFAULT_MAILBOX_PAGE_SIZE = 100


class MailboxServicer(MailboxServiceServicer):
    """`trivet.notifications.v1.MailboxService`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def ListMailboxMessages(
        self, request: pb.ListMailboxMessagesRequest, context: Context
    ) -> pb.ListMailboxMessagesResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_MAILBOX_PAGE_SIZE)
        kept, token = await self._mailbox.page(size=size, encode=encode_mailbox_message, page_token=request.page_token)
        return pb.ListMailboxMessagesResponse(messages=kept, next_page_token=token)
