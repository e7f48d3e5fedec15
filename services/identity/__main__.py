"""The identity service: settings and wiring."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from functools import partial

from runtime.periodic import periodically
from runtime.rpc.cache_fills import FILL_SECONDS, CacheFills
from runtime.rpc.cache_invalidations import CacheInvalidations
from runtime.rpc.server import Server
from runtime.sealing import Sealer
from runtime.settings import read
from runtime.tasks import Tasks
from runtime.telemetry.logs import logging_to_stderr
from runtime.telemetry.tracing import start_tracing
from services.identity.billing.servicer import SubscriptionServicer
from services.identity.billing.stripe_webhook import open_webhook
from services.identity.billing.subscriptions import Subscriptions
from services.identity.email.servicer import VerificationServicer
from services.identity.oauth.servicer import AccountServicer
from services.identity.oauth.wiring import Parts as OAuthParts
from services.identity.oauth.wiring import Store, open_oauth
from services.identity.outbox.backlog import Backlog
from services.identity.outbox.outbox import Outbox
from services.identity.outbox.outbox_subscribers import subscribers
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.servicer import AuthServicer
from services.identity.policy import POLICY
from services.identity.schema import metadata
from services.identity.sessions.servicer import SessionServicer
from services.identity.settings import IdentitySettings
from services.identity.store.database import Database
from services.identity.store.schema.schema_check import SchemaCheck
from services.identity.store.sweeper import Sweeper
from services.identity.users import custom_fields
from services.identity.users.admin_servicer import UserAdminServicer
from services.identity.users.servicer import UserServicer
from services.identity.wiring import Parts, Site, assemble
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect
from trivet.identity.v1.account_service_pb2_grpc import add_AccountServiceServicer_to_server
from trivet.identity.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server
from trivet.identity.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from trivet.identity.v1.subscription_service_pb2_grpc import add_SubscriptionServiceServicer_to_server
from trivet.identity.v1.user_admin_service_pb2_grpc import add_UserAdminServiceServicer_to_server
from trivet.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from trivet.identity.v1.verification_service_pb2_grpc import add_VerificationServiceServicer_to_server

logger = logging.getLogger(__name__)
PACKAGE = "trivet.identity.v1"
RELAY_AFTER = timedelta(seconds=1)
MEASURE_SECONDS = 10.0
RELAY_PAUSE_SECONDS = 1.0  # also while the cache is away: whoever signed out may be believed until it is told


async def main(settings: IdentitySettings) -> None:
    custom_fields.declare(settings.user_fields, settings.session_fields)
    for name, why in settings.store.parameters.ignored.items():
        logger.warning("DATABASE_URL: the parameter %s changes nothing here: %s", name, why)
    if settings.is_production and settings.store.is_plain_and_far:
        logger.warning("what is said to the database can be read on the way: set sslmode in DATABASE_URL")
    async with AsyncExitStack() as stack:
        signer, sealer = Signer("identity", settings.call_keys), Sealer(settings.seal_keys)
        cache = await stack.enter_async_context(connect(settings.cache_address, "cache", signer))
        mailer = await stack.enter_async_context(connect(settings.notifications_address, "notifications", signer))
        hasher = stack.enter_context(Hasher(settings.hashing))
        # Opened after what its tasks use: it closes first, and waits for them.
        database = await stack.enter_async_context(Database.open(settings.store, settings.limits, admit=SchemaCheck()))
        stub = CacheServiceStub(cache)
        outbox = Outbox(database, CacheInvalidations(stub).invalidate, subscribers(mailer, sealer))
        site = Site(
            settings.base_url,
            settings.all_secrets,
            settings.email_rules,
            settings.lifetimes,
            settings.refuse_common_passwords,
        )
        parts = assemble(database, outbox, hasher, sealer, site)
        oauth = await stack.enter_async_context(_oauth(settings, database, outbox, sealer, parts))
        subscriptions = Subscriptions(database, outbox)
        webhook = await stack.enter_async_context(open_webhook(subscriptions, settings))
        for repeated in _repeated(settings, database, outbox, subscriptions):
            await stack.enter_async_context(repeated)
        fills = CacheFills(stub, await stack.enter_async_context(Tasks.draining("cache fills", FILL_SECONDS)))
        server = Server("identity", settings, settings.port, policy=POLICY, ping=database.ping, fills=fills)
        _serve_people(server, parts, site)
        _serve_accounts(server, parts, oauth, site)
        server.add(
            f"{PACKAGE}.SubscriptionService",
            add_SubscriptionServiceServicer_to_server,
            SubscriptionServicer(subscriptions, webhook),
        )
        await server.run()


def _oauth(
    settings: IdentitySettings, database: Database, outbox: Outbox, sealer: Sealer, parts: Parts
) -> AbstractAsyncContextManager[OAuthParts]:
    verify_new = parts.mails.verify_email if settings.email_rules.verify_on_sign_up else None
    store = Store(database, parts.users, parts.sessions, parts.verifications, outbox, parts.audit, sealer, verify_new)
    rules, loopback = settings.oauth_rules, not settings.is_production
    return open_oauth(
        store,
        settings.providers,
        rules,
        settings.base_url,
        loopback=loopback,
        error_url=settings.error_url,
        grace=settings.grace_seconds,
    )


def _repeated(
    settings: IdentitySettings, database: Database, outbox: Outbox, subscriptions: Subscriptions
) -> Iterator[AbstractAsyncContextManager[None]]:
    for topic in outbox.topics:  # each on its own: a slow receiver delays its own topic alone
        relay = partial(outbox.relay, topic, older_than=RELAY_AFTER)
        yield periodically(f"relay of {topic}", settings.relay_seconds, relay, longest=RELAY_PAUSE_SECONDS)
    yield periodically("count of parked notes", MEASURE_SECONDS, Backlog(database).measure)
    yield periodically("sweeper", settings.sweep_seconds, Sweeper(database, metadata).sweep)
    yield periodically("sweeper of subscriptions", settings.sweep_seconds, subscriptions.sweep)


def _serve_people(server: Server, parts: Parts, site: Site) -> None:
    server.add(
        f"{PACKAGE}.AuthService",
        add_AuthServiceServicer_to_server,
        AuthServicer(parts.sign_ups, parts.authentication, parts.sessions),
    )
    server.add(f"{PACKAGE}.SessionService", add_SessionServiceServicer_to_server, SessionServicer(parts.sessions))
    server.add(
        f"{PACKAGE}.UserService",
        add_UserServiceServicer_to_server,
        UserServicer(parts.users, parts.deletion, site.rules),
    )
    server.add(
        f"{PACKAGE}.UserAdminService", add_UserAdminServiceServicer_to_server, UserAdminServicer(parts.administration)
    )


def _serve_accounts(server: Server, parts: Parts, oauth: OAuthParts, site: Site) -> None:
    server.add(
        f"{PACKAGE}.AccountService",
        add_AccountServiceServicer_to_server,
        AccountServicer(oauth.oauth, oauth.brought, oauth.linked, oauth.access),
    )
    server.add(
        f"{PACKAGE}.VerificationService",
        add_VerificationServiceServicer_to_server,
        VerificationServicer(parts.resets, parts.flows, parts.deletion, site.rules),
    )


if __name__ == "__main__":
    settings = read(IdentitySettings)
    with logging_to_stderr("identity", json_lines=settings.json_logs, level=settings.log_level):
        start_tracing("identity")
        asyncio.run(main(settings))
