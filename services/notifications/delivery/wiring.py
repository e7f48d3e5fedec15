"""Wiring of mail delivery, for `__main__.py`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.background.periodic import periodically
from runtime.rpc.server import Server
from services.notifications.delivery.deliveries import SWEEP_SECONDS, Deliveries
from services.notifications.delivery.email.mail_policy import MailPolicy
from services.notifications.delivery.email.mailbox import Mailbox
from services.notifications.delivery.email.mailbox_servicer import MailboxServicer
from services.notifications.delivery.email.sealed_mail import SealedMail
from services.notifications.delivery.email.smtp import Mailer
from services.notifications.delivery.queue import Queue
from services.notifications.delivery.worker import DeliveryWorker
from services.notifications.settings import NotificationsSettings
from services.notifications.store.mongo import Store
from trivet.notifications.v1.mailbox_service_pb2_grpc import add_MailboxServiceServicer_to_server


@asynccontextmanager
async def mail_delivery(
    store: Store, deliveries: Deliveries, settings: NotificationsSettings
) -> AsyncIterator[MailPolicy]:
    """Send mail inside the block if TRIVET_SMTP_URL is set. Else development keeps mail, and production rejects it."""
    sealed_mail = SealedMail(settings.seal_keys)
    sweeping = periodically("sweep of deliveries", SWEEP_SECONDS, deliveries.sweep)
    if not settings.sends_mail:
        async with sweeping:
            yield MailPolicy(sealed_mail, keeps_mail=not settings.is_production)
        return
    timeout = settings.mail_timeout_seconds
    mailer = Mailer(settings.smtp_server, settings.mail_sender, settings.smtp_tls, timeout=timeout)
    queue = Queue(store, lease=settings.mail_lease)
    worker = DeliveryWorker(queue, sealed_mail, mailer, settings.retry_policy, at_once=settings.mail_at_once)
    async with sweeping, worker.running(settings.grace_seconds):
        yield MailPolicy(sealed_mail, sends_mail=True, wake=worker.wake)


def add_mailbox(server: Server, store: Store, sealed_mail: SealedMail, *, on: bool) -> None:
    """Add MailboxService to the server. Unless `on`, it answers FAILED_PRECONDITION."""
    servicer = MailboxServicer(Mailbox(store, sealed_mail, on=on))
    server.add("trivet.notifications.v1.MailboxService", add_MailboxServiceServicer_to_server, servicer)
