"""The notifications process: settings and wiring."""

from contextlib import AsyncExitStack

import uvloop

from known_variables import KNOWN_VARIABLES
from runtime.background.tasks import Tasks
from runtime.rpc.caching.fills import FILL_SECONDS, CacheFills
from runtime.rpc.caching.invalidations import CacheInvalidations
from runtime.rpc.server import Server
from runtime.settings import read
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.tracing import start_tracing
from services.notifications.audit.wiring import add_audit
from services.notifications.delivery.deliveries import Deliveries
from services.notifications.delivery.wiring import add_mailbox, mail_delivery
from services.notifications.domains import COLLECTIONS, MIGRATIONS, NOT_IMPLEMENTED, PERSONAL_DATA
from services.notifications.inbox.cache_invalidation import InvalidationRelay
from services.notifications.inbox.wiring import add_inbox
from services.notifications.logs.wiring import add_logs
from services.notifications.policy import POLICY
from services.notifications.privacy.wiring import add_user_data
from services.notifications.settings import NotificationsSettings
from services.notifications.store.measurements import run_measurements
from services.notifications.store.mongo import open_store
from services.notifications.store.tombstones import Tombstones
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect


async def main(settings: NotificationsSettings) -> None:
    """Serve, and send mail if a mail server is set, until the process is asked to stop."""
    uri, timeout = settings.mongodb_uri.get_secret_value(), settings.store_timeout
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(uri, MIGRATIONS, pool_size=settings.pool_size, timeout=timeout)
        )
        signer = Signer("notifications", settings.call_keys)
        cache = CacheServiceStub(await stack.enter_async_context(connect(settings.cache_address, "cache", signer)))
        invalidation = InvalidationRelay(CacheInvalidations(cache).invalidate)
        await stack.enter_async_context(invalidation.running(settings.grace_seconds))
        deliveries = Deliveries(store)
        mail_policy = await stack.enter_async_context(mail_delivery(store, deliveries, settings))
        await run_measurements(stack, store, COLLECTIONS)
        fills = CacheFills(cache, await stack.enter_async_context(Tasks.draining("cache fills", FILL_SECONDS)))
        # A late message about an erased user can arrive as long as audit events are kept.
        tombstones = Tombstones(store, ttl=settings.audit_ttl)
        server = Server(
            "notifications",
            settings,
            settings.port,
            policy=POLICY,
            ping=store.ping,
            fills=fills,
            not_implemented=NOT_IMPLEMENTED,
        )
        ttl = settings.notification_ttl
        add_inbox(
            server,
            store,
            mail_policy=mail_policy,
            deliveries=deliveries,
            tombstones=tombstones,
            invalidation=invalidation,
            ttl=ttl,
        )
        add_mailbox(server, store, mail_policy.sealed_mail, on=not settings.is_production)
        add_logs(server, store, tombstones=tombstones, ttls=settings.log_ttls)
        add_audit(server, store, tombstones=tombstones, ttl=settings.audit_ttl)
        add_user_data(server, store, PERSONAL_DATA, tombstones=tombstones, invalidation=invalidation)
        await server.run()


if __name__ == "__main__":
    found = read(NotificationsSettings, KNOWN_VARIABLES)
    with logging_to_stderr("notifications", json_lines=found.json_logs, level=found.log_level):
        start_tracing("notifications")
        uvloop.run(main(found))
