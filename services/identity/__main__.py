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
from services.identity.accounts import Accounts
from services.identity.audit import Audit
from services.identity.authentication import Authentication
from services.identity.cached import Cached
from services.identity.database import Database
from services.identity.hashing import Hasher
from services.identity.outbox import Outbox
from services.identity.periodically import periodically
from services.identity.policy import POLICY
from services.identity.receivers import receivers
from services.identity.revision import SchemaCheck
from services.identity.servicers.auth import AuthServicer
from services.identity.servicers.sessions import SessionServicer
from services.identity.servicers.users import UserServicer
from services.identity.sessions import Sessions
from services.identity.settings import IdentitySettings
from services.identity.sweeper import Sweeper
from services.identity.users import Users
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.client import Signer, connect
from trivet.identity.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server
from trivet.identity.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from trivet.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server

logger = logging.getLogger(__name__)
RELAY_AFTER = timedelta(seconds=1)
RELAY_PAUSE_SECONDS = 1.0  # also while the cache is away: whoever signed out may be believed until it is told


async def main(settings: IdentitySettings) -> None:
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
        authentication = Authentication(
            database, Accounts(database), sessions, hasher, audit, refuse_common=settings.refuse_common_passwords
        )
        relay = partial(outbox.relay, older_than=RELAY_AFTER)
        repeated = periodically("relay", settings.relay_seconds, relay, longest=RELAY_PAUSE_SECONDS)
        await stack.enter_async_context(repeated)
        await stack.enter_async_context(periodically("sweeper", settings.sweep_seconds, Sweeper(database).sweep))
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
            UserServicer(users, authentication, cached),
        )
        await server.run()


if __name__ == "__main__":
    settings = read(IdentitySettings)
    with logging_to_stderr("identity", json_lines=settings.json_logs, level=settings.log_level):
        start_tracing("identity", settings.trace_ratio)
        asyncio.run(main(settings))
