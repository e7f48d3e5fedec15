"""The six gRPC services: decode, one call, encode."""

from functools import partial

from google.protobuf.empty_pb2 import Empty

from runtime.actor import current_actor, scope, subject
from runtime.call import Context
from runtime.clock import timestamp
from runtime.paging import page_number, page_size
from services.notifications.audit import messages as audit_messages
from services.notifications.audit.events import Audit
from services.notifications.delivery.email.mailbox import Mailbox
from services.notifications.inbox import messages, preference_messages
from services.notifications.inbox.notifications import Notifications, Selection
from services.notifications.inbox.preferences import Preferences
from services.notifications.logs import messages as log_messages
from services.notifications.logs.entries import Logs
from services.notifications.logs.query import LogReader
from services.notifications.privacy.user_data import Record, UserData
from trivet.notifications.v1 import audit_service_pb2 as audit
from trivet.notifications.v1 import delivery_service_pb2 as delivery
from trivet.notifications.v1 import log_service_pb2 as log
from trivet.notifications.v1 import notification_service_pb2 as pb
from trivet.notifications.v1 import user_data_service_pb2 as data
from trivet.notifications.v1.audit_service_pb2_grpc import AuditServiceServicer
from trivet.notifications.v1.delivery_service_pb2_grpc import PreferenceServiceServicer
from trivet.notifications.v1.log_service_pb2_grpc import LogServiceServicer
from trivet.notifications.v1.notification_service_pb2_grpc import MailboxServiceServicer, NotificationServiceServicer
from trivet.notifications.v1.user_data_service_pb2_grpc import UserDataServiceServicer

DEFAULT_PAGE_SIZE = 20
DEFAULT_LOG_PAGE_SIZE = 50
DEFAULT_AUDIT_PAGE_SIZE = 50
DEFAULT_EXPORT_PAGE_SIZE = 100
DEFAULT_MAILBOX_PAGE_SIZE = 100


class NotificationServicer(NotificationServiceServicer):
    """`trivet.notifications.v1.NotificationService`."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    async def CreateNotification(self, request: pb.CreateNotificationRequest, context: Context) -> pb.Notification:
        actor = current_actor.get()
        caller = f"{actor.caller}:{actor.user_id}" if actor.is_person else actor.caller
        return messages.notification(await self._notifications.create(messages.draft(request), caller))

    async def GetNotification(self, request: pb.GetNotificationRequest, context: Context) -> pb.Notification:
        fields = messages.fields_of(request.read_mask)
        found = await self._notifications.get(request.notification_id, scope(), messages.keys_of(fields))
        return messages.notification(found, fields)

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, context: Context
    ) -> pb.ListNotificationsResponse:
        fields = messages.fields_of(request.read_mask)
        page = await self._notifications.page(
            Selection(subject(request.user_id), request.unread_only, messages.kind_of(request.type, "type")),
            size=page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE),
            page_token=request.page_token,
            encode=partial(messages.notification, fields=fields),
            number=page_number(request.page if request.HasField("page") else None, request.page_token),
            fields=messages.keys_of(fields),
        )
        return pb.ListNotificationsResponse(
            notifications=page.notifications,
            next_page_token=page.next_page_token,
            total_size=page.total_size,
        )

    async def MarkRead(self, request: pb.MarkReadRequest, context: Context) -> pb.Notification:
        return messages.notification(await self._notifications.mark_read(request.notification_id, scope()))

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
        return pb.GetNotificationStatsResponse(types=[messages.type_stats(group) for group in groups])


class PreferenceServicer(PreferenceServiceServicer):
    """`trivet.notifications.v1.PreferenceService`."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    async def ListPreferences(
        self, request: delivery.ListPreferencesRequest, context: Context
    ) -> delivery.ListPreferencesResponse:
        said = await self._preferences.all_of(subject(request.user_id))
        return delivery.ListPreferencesResponse(preferences=[preference_messages.answer(each) for each in said])

    async def SetPreference(self, request: delivery.SetPreferenceRequest, context: Context) -> delivery.Preference:
        wanted = request.preference
        said = preference_messages.preference(wanted, subject(wanted.user_id, "preference.user_id"))
        await self._preferences.set(said)
        return preference_messages.answer(said)


class MailboxServicer(MailboxServiceServicer):
    """`trivet.notifications.v1.MailboxService`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def ListMailboxMessages(
        self, request: pb.ListMailboxMessagesRequest, context: Context
    ) -> pb.ListMailboxMessagesResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_MAILBOX_PAGE_SIZE)
        kept, token = await self._mailbox.page(
            size=size, encode=messages.mailbox_message, page_token=request.page_token
        )
        return pb.ListMailboxMessagesResponse(messages=kept, next_page_token=token)


class LogServicer(LogServiceServicer):
    """`trivet.notifications.v1.LogService`."""

    def __init__(self, logs: Logs, reader: LogReader) -> None:
        self._logs = logs
        self._reader = reader

    async def WriteLogs(self, request: log.WriteLogsRequest, context: Context) -> log.WriteLogsResponse:
        entries = [log_messages.entry(entry, index) for index, entry in enumerate(request.entries)]
        written = await self._logs.write(entries)
        return log.WriteLogsResponse(
            written_count=written.count,
            rejected=[
                log.RejectedLogEntry(index=each.index, reason=each.reason, message=each.message)
                for each in written.rejected
            ],
        )

    async def QueryLogs(self, request: log.QueryLogsRequest, context: Context) -> log.QueryLogsResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_LOG_PAGE_SIZE)
        wanted = log_messages.log_filter(request)
        found = await self._reader.query(
            wanted, size=size, encode=log_messages.log_entry, page_token=request.page_token
        )
        return log.QueryLogsResponse(
            entries=found.entries,
            next_page_token=found.next_page_token,
            searched_back_to=timestamp(found.searched_back_to) if found.searched_back_to else None,
        )


class AuditServicer(AuditServiceServicer):
    """`trivet.notifications.v1.AuditService`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def RecordAuditEvents(
        self, request: audit.RecordAuditEventsRequest, context: Context
    ) -> audit.RecordAuditEventsResponse:
        events = [audit_messages.event(event, index) for index, event in enumerate(request.events)]
        return audit.RecordAuditEventsResponse(recorded_count=await self._audit.record(events))

    async def ListAuditEvents(
        self, request: audit.ListAuditEventsRequest, context: Context
    ) -> audit.ListAuditEventsResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_AUDIT_PAGE_SIZE)
        wanted = audit_messages.audit_filter(request)
        page = await self._audit.page(
            wanted, size=size, encode=audit_messages.audit_event, page_token=request.page_token
        )
        return audit.ListAuditEventsResponse(events=page.events, next_page_token=page.next_page_token)


class UserDataServicer(UserDataServiceServicer):
    """`trivet.notifications.v1.UserDataService`."""

    def __init__(self, user_data: UserData) -> None:
        self._user_data = user_data

    async def EraseUserData(self, request: data.EraseUserDataRequest, context: Context) -> data.EraseUserDataResponse:
        count, complete = await self._user_data.erase(request.user_id)
        return data.EraseUserDataResponse(erased_count=count, complete=complete)

    async def ExportUserData(
        self, request: data.ExportUserDataRequest, context: Context
    ) -> data.ExportUserDataResponse:
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_EXPORT_PAGE_SIZE)
        records, token = await self._user_data.page(
            request.user_id, size=size, encode=_user_record, page_token=request.page_token
        )
        return data.ExportUserDataResponse(records=records, next_page_token=token)


def _user_record(record: Record) -> data.UserRecord:
    message = data.UserRecord(kind=record.kind)
    message.data.update(record.data)
    return message
