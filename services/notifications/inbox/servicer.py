"""NotificationService over gRPC: decode, one call, encode."""

from functools import partial

from google.protobuf.empty_pb2 import Empty

from runtime.paging import page_number, page_size
from runtime.rpc.actor import current_actor, scope, subject
from runtime.rpc.interceptor_chain import Context
from services.notifications.inbox import messages
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.pages import Selection
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1.notification_service_pb2_grpc import NotificationServiceServicer

DEFAULT_PAGE_SIZE = 20


class NotificationServicer(NotificationServiceServicer):
    """`trivet.notifications.v1.NotificationService`."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    async def CreateNotification(self, request: pb.CreateNotificationRequest, context: Context) -> pb.Notification:
        actor = current_actor.get()
        caller = f"{actor.caller}:{actor.user_id}" if actor.is_person else actor.caller
        return messages.encode_notification(await self._notifications.create(messages.decode_draft(request), caller))

    async def GetNotification(self, request: pb.GetNotificationRequest, context: Context) -> pb.Notification:
        fields = messages.fields_of(request.read_mask)
        found = await self._notifications.get(request.notification_id, scope(), messages.keys_of(fields))
        return messages.encode_notification(found, fields)

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        fields = messages.fields_of(request.read_mask)
        page = await self._notifications.page(
            Selection(subject(request.user_id), request.unread_only, messages.decode_channel(request.type, "type")),
            size=page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE),
            page_token=request.page_token,
            encode=partial(messages.encode_notification, fields=fields),
            number=page_number(request.page if request.HasField("page") else None, request.page_token),
            fields=messages.keys_of(fields),
        )
        return pb.ListNotificationsResponse(
            notifications=page.notifications,
            next_page_token=page.next_page_token,
            total_size=page.total_size,
        )

    async def MarkRead(self, request: pb.MarkReadRequest, context: Context) -> pb.Notification:
        return messages.encode_notification(await self._notifications.mark_read(request.notification_id, scope()))

    async def BatchMarkRead(self, request: pb.BatchMarkReadRequest, context: Context) -> pb.BatchMarkReadResponse:
        user_id = subject(request.user_id)
        return pb.BatchMarkReadResponse(
            updated_count=await self._notifications.mark_many_read(user_id, request.notification_ids)
        )

    async def MarkAllRead(self, request: pb.MarkAllReadRequest, context: Context) -> pb.MarkAllReadResponse:
        user_id = subject(request.user_id)
        return pb.MarkAllReadResponse(updated_count=await self._notifications.mark_all_read(user_id))

    async def DeleteNotification(self, request: pb.DeleteNotificationRequest, context: Context) -> Empty:
        await self._notifications.delete(request.notification_id, scope())
        return Empty()

    async def CountUnread(self, request: pb.CountUnreadRequest, context: Context) -> pb.CountUnreadResponse:
        count, capped = await self._notifications.count_unread(subject(request.user_id))
        return pb.CountUnreadResponse(unread_count=count, capped=capped)

    async def GetNotificationStats(
        self, request: pb.GetNotificationStatsRequest, context: Context
    ) -> pb.GetNotificationStatsResponse:
        groups = await self._notifications.stats(subject(request.user_id))
        return pb.GetNotificationStatsResponse(types=[messages.encode_type_stats(group) for group in groups])
