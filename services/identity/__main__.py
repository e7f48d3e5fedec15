"""The identity service: settings and wiring."""

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from runtime.logs import logging_to_stderr
from runtime.sealing import Sealer
from runtime.server import Server
from runtime.settings import read
from runtime.tasks import Tasks
from runtime.telemetry import start_tracing
from services.identity import fields
from services.identity.accounts import Accounts
from services.identity.admin import Administration
from services.identity.audit import Audit
from services.identity.authentication import Authentication
from services.identity.cached import Cached
from services.identity.database import Database
from services.identity.email_flows import EmailFlows
from services.identity.email_links import Links
from services.identity.hashing import Hasher
from services.identity.mail import Post
from services.identity.mails import Mails
from services.identity.oauth.parts import Store, open_oauth
from services.identity.outbox import Outbox
from services.identity.password_resets import PasswordResets
from services.identity.periodically import periodically
from services.identity.policy import POLICY
from services.identity.receivers import receivers
from services.identity.revision import SchemaCheck
from services.identity.servicers.accounts import AccountServicer
from services.identity.servicers.admin import UserAdminServicer
from services.identity.servicers.auth import AuthServicer
from services.identity.servicers.sessions import SessionServicer
from services.identity.servicers.subscriptions import SubscriptionServicer
from services.identity.servicers.users import UserServicer
from services.identity.servicers.verification import VerificationServicer
from services.identity.sessions import Sessions
from services.identity.settings import IdentitySettings
from services.identity.stripe_webhook import open_webhook
from services.identity.subscriptions import Subscriptions
from services.identity.sweeper import Sweeper
from services.identity.user_deletion import UserDeletion
from services.identity.users import Users
from services.identity.verifications import Verifications
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect
from trivet.identity.v1.account_service_pb2_grpc import (
    add_AccountServiceServicer_to_server,
    add_VerificationServiceServicer_to_server,
)
from trivet.identity.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server
from trivet.identity.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from trivet.identity.v1.subscription_service_pb2_grpc import add_SubscriptionServiceServicer_to_server
from trivet.identity.v1.user_service_pb2_grpc import (
    add_UserAdminServiceServicer_to_server,
    add_UserServiceServicer_to_server,
)

logger = logging.getLogger(__name__)
RELAY_AFTER = timedelta(seconds=1)
RELAY_PAUSE_SECONDS = 1.0  # also while the cache is away: whoever signed out may be believed until it is told


async def main(settings: IdentitySettings) -> None:
    fields.declare(settings.user_fields, settings.session_fields)
    if settings.is_production and settings.store.is_plain_and_far:
        logger.warning("what is said to the database can be read on the way: set sslmode in DATABASE_URL")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.store, settings.limits, admit=SchemaCheck()))
        hasher = stack.enter_context(Hasher(settings.hashing))
        signer = Signer("identity", settings.call_keys)
        channel = await stack.enter_async_context(connect(settings.cache_address, "cache", signer))
        cached = Cached(CacheServiceStub(channel), Tasks("cache fills"))
        sealer = Sealer(settings.seal_keys)
        notifications = await stack.enter_async_context(
            connect(settings.notifications_address, "notifications", signer)
        )
        outbox = Outbox(database, cached.invalidate, receivers(notifications, sealer))
        audit = Audit(database, outbox)
        sessions = Sessions(database, outbox, settings.lifetimes)
        users = Users(database, outbox)
        accounts, verifications, rules = Accounts(database), Verifications(database), settings.email_rules
        links = Links(settings.base_url, settings.all_secrets)
        mails = Mails(Post(outbox, sealer), links, settings.base_url)
        refuse_common = settings.refuse_common_passwords
        authentication = Authentication(
            database, accounts, sessions, hasher, audit, mails, rules, refuse_common=refuse_common
        )
        resets = PasswordResets(
            database, users, accounts, sessions, verifications, hasher, mails, audit, rules, refuse_common=refuse_common
        )
        flows = EmailFlows(database, users, accounts, authentication, verifications, links, mails, audit, rules)
        deletion = UserDeletion(database, users, authentication, verifications, mails, rules)
        oauth = await stack.enter_async_context(
            open_oauth(
                Store(
                    database,
                    users,
                    sessions,
                    verifications,
                    outbox,
                    audit,
                    sealer,
                    mails.verify_email if rules.verify_on_sign_up else None,
                ),
                settings.providers,
                settings.oauth_rules,
                settings.base_url,
                loopback=not settings.is_production,
            )
        )
        subscriptions = Subscriptions(database, outbox)
        webhook = await stack.enter_async_context(open_webhook(subscriptions, settings))
        relay = partial(outbox.relay, older_than=RELAY_AFTER)
        repeated = periodically("relay", settings.relay_seconds, relay, longest=RELAY_PAUSE_SECONDS)
        await stack.enter_async_context(repeated)
        await stack.enter_async_context(periodically("sweeper", settings.sweep_seconds, Sweeper(database).sweep))
        unclaimed = periodically("sweeper of subscriptions", settings.sweep_seconds, subscriptions.sweep)
        await stack.enter_async_context(unclaimed)
        server = Server("identity", settings, settings.port, policy=POLICY, ping=database.ping)
        server.add(
            "trivet.identity.v1.AuthService", add_AuthServiceServicer_to_server, AuthServicer(authentication, sessions)
        )
        server.add(
            "trivet.identity.v1.SessionService", add_SessionServiceServicer_to_server, SessionServicer(sessions, cached)
        )
        server.add(
            "trivet.identity.v1.UserService",
            add_UserServiceServicer_to_server,
            UserServicer(users, authentication, cached, rules),
        )
        server.add(
            "trivet.identity.v1.AccountService",
            add_AccountServiceServicer_to_server,
            AccountServicer(oauth.oauth, oauth.brought, oauth.linked, oauth.access, authentication),
        )
        server.add(
            "trivet.identity.v1.VerificationService",
            add_VerificationServiceServicer_to_server,
            VerificationServicer(resets, flows, deletion, rules),
        )
        server.add(
            "trivet.identity.v1.UserAdminService",
            add_UserAdminServiceServicer_to_server,
            UserAdminServicer(Administration(database, users, accounts, sessions, outbox, audit)),
        )
        server.add(
            "trivet.identity.v1.SubscriptionService",
            add_SubscriptionServiceServicer_to_server,
            SubscriptionServicer(subscriptions, webhook, cached),
        )
        await server.run()


if __name__ == "__main__":
    settings = read(IdentitySettings)
    with logging_to_stderr("identity", json_lines=settings.json_logs, level=settings.log_level):
        start_tracing("identity", settings.trace_ratio)
        asyncio.run(main(settings))
