"""Identity with all that it mails: the flows, and the mails that wait in the outbox, opened."""

import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Executable, insert, select, update

from runtime.ids import new_id
from services.identity import schema
from services.identity.email.links import Links
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.email.policy import EmailRules
from services.identity.email.verification import EmailVerification
from services.identity.outbox import mail
from services.identity.outbox.delivery import OutboxMessage
from services.identity.outbox.mail import Mail
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.resets import PasswordResets
from services.identity.passwords.sign_up import NewUser, SignUp, SignUpResult
from services.identity.sessions.session import Lifetimes, Origin
from services.identity.sessions.sessions import Sessions
from services.identity.site import Site
from services.identity.store.database import Transaction
from services.identity.stores import Stores
from services.identity.users.deletion import UserDeletion
from services.identity.users.users import User
from services.identity.wiring import build_use_cases
from tests.conformance.identity.conftest import BASE_URL, PASSWORD, SEALER, SECRET, Identity

HERE = Origin("10.0.0.1", "tests")
LINK = re.compile(rf"{re.escape(BASE_URL)}\S+")


@dataclass(frozen=True)
class Mailing:
    """The parts of the service that mail, on one database."""

    identity: Identity
    sessions: Sessions
    authentication: Authentication
    sign_ups: SignUp
    verifications: OneTimeSecrets
    links: Links
    resets: PasswordResets
    flows: EmailVerification
    deletion: UserDeletion

    async def sign_up(self, email: str = "ann@x.io", *, verified: bool = False) -> User:
        user = (await self.signed_up(email)).user
        if verified:
            values = {"email_verified": True}
            await self.execute(update(schema.users).where(schema.users.c.id == user.id).values(**values))
        return user

    async def signed_up(self, email: str = "ann@x.io") -> SignUpResult:
        return await self.sign_ups.sign_up(NewUser("Ann", email, PASSWORD, callback_url="/in"), HERE)

    async def mails(self) -> list[Mail]:
        """Return the mails that wait for somebody, oldest first."""
        outbox = schema.outbox
        statement = select(outbox.c.id, outbox.c.key, outbox.c.payload, outbox.c.created_at)
        rows = await self.identity.database.rows(
            "tests.mails", statement.where(outbox.c.topic == mail.TOPIC).order_by(outbox.c.id)
        )
        opened = [mail.unseal(OutboxMessage(row.id, row.key, row.payload, row.created_at), SEALER)[1] for row in rows]
        return [letter for letter in opened if letter.to]

    async def last_link(self) -> str:
        """Return the only link of the newest mail."""
        (link,) = LINK.findall((await self.mails())[-1].text)
        return str(link)

    async def last_token(self) -> str:
        """Return the token in the newest mail, from path or query."""
        parts = urlsplit(await self.last_link())
        return parse_qs(parts.query).get("token", [parts.path.rpartition("/")[2]])[0]

    async def execute(self, statement: Executable) -> None:
        async def work(transaction: Transaction) -> None:
            await transaction.execute(statement)

        await self.identity.database.transaction("tests.execute", work)

    async def link_provider(self, user: User, provider: str = "github") -> None:
        now = self.identity.clock()
        await self.execute(
            insert(schema.accounts).values(
                id=new_id(), created_at=now, updated_at=now, user_id=user.id, account_id="7", provider=provider
            )
        )

    async def providers(self, user: User) -> list[str]:
        accounts = schema.accounts
        statement = select(accounts.c.provider).where(accounts.c.user_id == user.id).order_by(accounts.c.provider)
        return [row[0] for row in await self.identity.database.rows("tests.providers", statement)]

    async def happened(self) -> list[str]:
        """Return what the audit events that wait tell of, oldest first."""
        outbox = schema.outbox
        statement = select(outbox.c.payload).where(outbox.c.topic == "audit.record").order_by(outbox.c.id)
        rows = await self.identity.database.rows("tests.events", statement)
        return [json.loads(row[0])["happened"] for row in rows]

    async def deletions(self) -> list[tuple[str, str]]:
        """Return whom the audit events that wait tell to be deleted, and by whom, oldest first."""
        outbox = schema.outbox
        statement = select(outbox.c.payload).where(outbox.c.topic == "audit.record").order_by(outbox.c.id)
        events = [json.loads(row[0]) for row in await self.identity.database.rows("tests.events", statement)]
        return [(event["user_id"], event["actor"]) for event in events if event["happened"] == "deleted"]


def mailing(identity: Identity, hasher: Hasher, rules: EmailRules | None = None) -> Mailing:
    """Return the parts that mail, under these rules."""
    site = Site(base_url=BASE_URL, secrets=(SECRET,), rules=rules or EmailRules(), lifetimes=Lifetimes())
    stores = Stores.on(
        identity.database,
        identity.outbox,
        site.lifetimes,
        requires_verification=site.rules.require_verification,
        now=identity.clock,
    )
    cases = build_use_cases(stores, site, hasher=hasher, sealer=SEALER)
    return Mailing(
        identity,
        stores.sessions,
        cases.authentication,
        cases.sign_up,
        stores.one_time_secrets,
        cases.links,
        cases.resets,
        cases.verification,
        cases.deletion,
    )
