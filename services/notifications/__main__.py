"""The notifications process: settings and wiring."""

import asyncio

from runtime.logs import logging_to_stderr
from runtime.server import Server
from runtime.settings import read
from runtime.telemetry import start_tracing
from services.notifications.log_query import LogReader
from services.notifications.logs import Logs
from services.notifications.mailbox import Mailbox
from services.notifications.notifications import Notifications
from services.notifications.policy import POLICY
from services.notifications.servicers import LogServicer, MailboxServicer, NotificationServicer
from services.notifications.settings import NotificationsSettings
from services.notifications.store import open_store
from trivet.notifications.v1.log_service_pb2_grpc import add_LogServiceServicer_to_server
from trivet.notifications.v1.notification_service_pb2_grpc import (
    add_MailboxServiceServicer_to_server,
    add_NotificationServiceServicer_to_server,
)

PACKAGE = "trivet.notifications.v1"


async def main(settings: NotificationsSettings) -> None:
    """Serve until told to stop."""
    keeps_mail = not settings.is_production
    uri, pool_size = settings.mongodb_uri.get_secret_value(), settings.pool_size
    async with open_store(uri, pool_size=pool_size, timeout=settings.store_timeout) as store:
        notifications = Notifications(store, ttl=settings.notification_ttl, mail_is_kept=keeps_mail)
        mailbox = Mailbox(store, on=keeps_mail)
        logs = Logs(store, settings.log_ttls)
        reader = LogReader(store, max(settings.log_ttls.values()))

        server = Server("notifications", settings, settings.port, policy=POLICY, ping=store.ping)
        server.add(
            f"{PACKAGE}.NotificationService",
            add_NotificationServiceServicer_to_server,
            NotificationServicer(notifications),
        )
        server.add(f"{PACKAGE}.MailboxService", add_MailboxServiceServicer_to_server, MailboxServicer(mailbox))
        server.add(f"{PACKAGE}.LogService", add_LogServiceServicer_to_server, LogServicer(logs, reader))
        await server.run()


if __name__ == "__main__":
    found = read(NotificationsSettings)
    with logging_to_stderr("notifications", json_lines=found.json_logs, level=found.log_level):
        start_tracing("notifications", found.trace_ratio)
        asyncio.run(main(found))
