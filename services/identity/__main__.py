"""The identity process: settings and wiring."""

import asyncio
from contextlib import AsyncExitStack

from known_variables import KNOWN_VARIABLES
from runtime.background.periodic import periodically
from runtime.background.tasks import Tasks
from runtime.rpc.caching.fills import FILL_SECONDS, CacheFills
from runtime.rpc.caching.invalidations import CacheInvalidations
from runtime.rpc.server import Server
from runtime.sealing import Sealer
from runtime.settings import read
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.tracing import start_tracing
from services.identity.billing.wiring import add_billing, open_billing
from services.identity.email.wiring import add_email
from services.identity.oauth.wiring import add_accounts, open_oauth
from services.identity.outbox.outbox import Outbox
from services.identity.outbox.outbox_subscribers import subscribers
from services.identity.outbox.wiring import run_outbox
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.wiring import add_passwords
from services.identity.policy import POLICY
from services.identity.schema import metadata
from services.identity.sessions.wiring import add_sessions
from services.identity.settings import IdentitySettings
from services.identity.store.database import Database
from services.identity.store.measurements import run_measurements
from services.identity.store.schema.schema_check import SchemaCheck
from services.identity.store.sweeper import Sweeper
from services.identity.stores import Stores
from services.identity.users import custom_fields
from services.identity.users.wiring import add_users
from services.identity.wiring import build_use_cases
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect


async def main(settings: IdentitySettings) -> None:
    """Serve until the process is asked to stop."""
    custom_fields.declare(settings.user_fields, settings.session_fields)
    settings.warn_about_the_store()
    site, sealer, signer = settings.site, Sealer(settings.seal_keys), Signer("identity", settings.call_keys)
    async with AsyncExitStack() as stack:
        cache = CacheServiceStub(await stack.enter_async_context(connect(settings.cache_address, "cache", signer)))
        notifications = await stack.enter_async_context(
            connect(settings.notifications_address, "notifications", signer)
        )
        hasher = stack.enter_context(Hasher(settings.hashing))
        # Opened after everything that its tasks use, so it closes first and waits for them.
        database = await stack.enter_async_context(
            Database.open(settings.store, settings.limits, check_schema=SchemaCheck())
        )
        outbox = Outbox(database, CacheInvalidations(cache).invalidate, subscribers(notifications, sealer))
        stores = Stores.on(database, outbox, site.lifetimes, requires_verification=site.rules.require_verification)
        cases = build_use_cases(stores, site, hasher=hasher, sealer=sealer)
        verify_new = cases.mailer.verify_email if site.rules.verify_on_sign_up else None
        oauth = await stack.enter_async_context(open_oauth(stores, sealer, settings.oauth, verify_new=verify_new))
        billing = await open_billing(stack, stores, settings, sweep_seconds=settings.sweep_seconds)
        await run_outbox(stack, outbox, database, relay_seconds=settings.relay_seconds)
        sweeper = Sweeper(database, metadata)
        await stack.enter_async_context(periodically("sweeper", settings.sweep_seconds, sweeper.sweep))
        await run_measurements(stack, database, metadata, settings.replicas)
        fills = CacheFills(cache, await stack.enter_async_context(Tasks.draining("cache fills", FILL_SECONDS)))
        server = Server("identity", settings, settings.port, policy=POLICY, ping=database.ping, fills=fills)
        add_passwords(server, stores, cases)
        add_sessions(server, stores)
        add_users(server, stores, cases, site.rules)
        add_accounts(server, oauth)
        add_email(server, cases, site.rules)
        add_billing(server, billing)
        await server.run()


if __name__ == "__main__":
    found = read(IdentitySettings, KNOWN_VARIABLES)
    with logging_to_stderr("identity", json_lines=found.json_logs, level=found.log_level):
        start_tracing("identity")
        asyncio.run(main(found))
