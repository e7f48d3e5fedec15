"""The notifications process: settings and wiring."""

from contextlib import AsyncExitStack

import uvloop

from runtime.rpc.cache_fills import FILL_SECONDS, Fills
from runtime.rpc.cache_invalidations import Invalidations
from runtime.rpc.server import Server
from runtime.settings import read
from runtime.tasks import Tasks
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.tracing import start_tracing
from services.notifications.audit.events import Audit
from services.notifications.audit.servicer import AuditServicer
from services.notifications.delivery.email.mail_policy import Mailing
from services.notifications.delivery.email.mailbox import Mailbox
from services.notifications.delivery.email.mailbox_servicer import MailboxServicer
from services.notifications.delivery.email.sealed_mail import Letters
from services.notifications.delivery.email.smtp import Mailer
from services.notifications.delivery.queue import Queue
from services.notifications.delivery.worker import Delivery
from services.notifications.inbox.cache_invalidation import CachedAnswers
from services.notifications.inbox.notifications import Notifications
from services.notifications.inbox.preference_servicer import PreferenceServicer
from services.notifications.inbox.preferences import Preferences
from services.notifications.inbox.servicer import NotificationServicer
from services.notifications.logs.entries import Logs
from services.notifications.logs.query import LogReader
from services.notifications.logs.servicer import LogServicer
from services.notifications.policy import POLICY
from services.notifications.privacy.servicer import UserDataServicer
from services.notifications.privacy.user_data import UserData
from services.notifications.settings import NotificationsSettings
from services.notifications.store.mongo import open_store
from services.notifications.store.tombstones import Erasures
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect
from trivet.notifications.v1 import analytics_service_pb2, delivery_service_pb2
from trivet.notifications.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from trivet.notifications.v1.delivery_service_pb2_grpc import add_PreferenceServiceServicer_to_server
from trivet.notifications.v1.log_service_pb2_grpc import add_LogServiceServicer_to_server
from trivet.notifications.v1.notification_service_pb2_grpc import (
    add_MailboxServiceServicer_to_server,
    add_NotificationServiceServicer_to_server,
)
from trivet.notifications.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server

PACKAGE = "trivet.notifications.v1"
NOT_IMPLEMENTED = tuple(
    file.DESCRIPTOR.services_by_name[name].full_name
    for file, name in (
        (analytics_service_pb2, "AnalyticsService"),
        (delivery_service_pb2, "DeliveryService"),
        (delivery_service_pb2, "DeviceService"),
    )
)


async def main(settings: NotificationsSettings) -> None:
    """Serve, and send mail if there is a server for it, until told to stop."""
    keeps_mail = not settings.is_production
    letters = Letters(settings.seal_keys)
    async with AsyncExitStack() as stack:
        uri, pool_size = settings.mongodb_uri.get_secret_value(), settings.pool_size
        store = await stack.enter_async_context(open_store(uri, pool_size=pool_size, timeout=settings.store_timeout))
        signer = Signer("notifications", settings.call_keys)
        cache = CacheServiceStub(await stack.enter_async_context(connect(settings.cache_address, "cache", signer)))
        answers = CachedAnswers(Invalidations(cache).invalidate)
        await stack.enter_async_context(answers.running(settings.grace_seconds))
        mailing = Mailing(letters, kept=keeps_mail)
        if settings.sends_mail:
            timeout = settings.mail_timeout_seconds
            mailer = Mailer(settings.smtp_server, settings.mail_sender, settings.smtp_tls, timeout=timeout)
            queue = Queue(store, lease=settings.mail_lease)
            delivery = Delivery(queue, letters, mailer, settings.patience, at_once=settings.mail_at_once)
            mailing = Mailing(letters, sent=True, told=delivery.wake)
            await stack.enter_async_context(delivery.running(settings.grace_seconds))
        # A late note about an erased user may come for as long as anything is kept.
        erasures = Erasures(store, ttl=settings.audit_ttl)
        preferences = Preferences(store, erasures, answers=answers)
        ttl = settings.notification_ttl
        notifications = Notifications(store, mailing, erasures, preferences, ttl=ttl, answers=answers)
        logs = Logs(store, erasures, settings.log_ttls)
        reader = LogReader(store, max(settings.log_ttls.values()))
        audit = Audit(store, erasures, ttl=settings.audit_ttl)

        fills = Fills(cache, await stack.enter_async_context(Tasks.draining("cache fills", FILL_SECONDS)))
        server = Server(
            "notifications",
            settings,
            settings.port,
            policy=POLICY,
            ping=store.ping,
            fills=fills,
            not_implemented=NOT_IMPLEMENTED,
        )
        server.add(
            f"{PACKAGE}.NotificationService",
            add_NotificationServiceServicer_to_server,
            NotificationServicer(notifications),
        )
        preference_servicer = PreferenceServicer(preferences)
        server.add(f"{PACKAGE}.PreferenceService", add_PreferenceServiceServicer_to_server, preference_servicer)
        mailbox = MailboxServicer(Mailbox(store, letters, on=keeps_mail))
        server.add(f"{PACKAGE}.MailboxService", add_MailboxServiceServicer_to_server, mailbox)
        server.add(f"{PACKAGE}.LogService", add_LogServiceServicer_to_server, LogServicer(logs, reader))
        server.add(f"{PACKAGE}.AuditService", add_AuditServiceServicer_to_server, AuditServicer(audit))
        user_data = UserDataServicer(UserData(store, erasures, answers=answers))
        server.add(f"{PACKAGE}.UserDataService", add_UserDataServiceServicer_to_server, user_data)
        await server.run()


if __name__ == "__main__":
    found = read(NotificationsSettings)
    with logging_to_stderr("notifications", json_lines=found.json_logs, level=found.log_level):
        start_tracing("notifications")
        uvloop.run(main(found))
