"""Verifies a backup by restoring it into scratch stores, and by signing in there."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.backup.addresses import StoreAddresses
from ops.backup.check import check_files
from ops.backup.destinations.destination import Destination
from ops.backup.manifest import Manifest
from ops.backup.restoration import Restoration, Restored
from ops.backup.scratch.servers import scratch_stores
from ops.errors import CommandFailed
from ops.identity.database_failures import explained
from ops.identity.identity_access import leave_it_to_the_relay
from runtime.errors import ServiceError
from runtime.sealing import Sealer
from services.identity.email.policy import EmailRules
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.sign_up import NewUser
from services.identity.sessions.session import Lifetimes, Origin
from services.identity.site import Site
from services.identity.store.database import Database
from services.identity.store.engine.engine import StoreLimits
from services.identity.store.schema.migrate import upgrade
from services.identity.store.schema.schema_check import SchemaCheck
from services.identity.stores import Stores
from services.identity.wiring import build_use_cases

ORIGIN = Origin("127.0.0.1", "trivet backup verify")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who signs in to the restored stores; a new user if the email is empty."""

    email: str = ""
    password: str = ""


def verify(
    destination: Destination,
    manifest: Manifest,
    identities: Sequence[Any] | None,
    sign_in: SignIn,
    *,
    sql: str = "",
    mongodb: str = "",
) -> Restored:
    """Restore into scratch stores, compare, bring the schema to this version, and sign in. Raises CommandFailed."""
    with scratch_stores(manifest, sql, mongodb) as addresses:
        restored = Restoration(destination, manifest, addresses, identities, only=("sql", "mongodb")).run()
        check_files(destination, manifest, manifest.of("redis"), identities)
        with explained(addresses.sql, "the scratch database"):
            upgrade(addresses.sql)
            asyncio.run(_sign_in(addresses, sign_in))
        return restored


async def _sign_in(addresses: StoreAddresses, sign_in: SignIn) -> None:
    limits = StoreLimits(statement_seconds=30, attempt_seconds=40, lock_seconds=20)
    async with Database.open(addresses.store, limits, check_schema=SchemaCheck()) as database:
        await _sign_in_to(database, sign_in)


async def _sign_in_to(database: Database, sign_in: SignIn) -> None:
    with Hasher() as hasher:
        stores = Stores.on(database, Outbox(database, leave_it_to_the_relay), Lifetimes())
        site = Site(
            base_url="https://scratch.invalid",
            secrets=(secrets.token_hex(32),),
            rules=EmailRules(),
            lifetimes=Lifetimes(),
        )
        cases = build_use_cases(stores, site, hasher=hasher, sealer=Sealer([os.urandom(32)]))
        email, password = sign_in.email, sign_in.password
        if not email:
            email, password = f"verify-{secrets.token_hex(8)}@scratch.invalid", secrets.token_hex(16)
            await cases.sign_up.sign_up(NewUser("Verify", email, password), ORIGIN)
        try:
            signed_in = await cases.authentication.sign_in(email, password, ORIGIN)
        except ServiceError as error:
            raise CommandFailed(f"{email} cannot sign in to the restored stores: {error.message}") from None
        await stores.sessions.verify(signed_in.opened.token)
