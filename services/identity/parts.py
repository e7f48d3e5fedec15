"""How the parts of the service that need no transport fit together, on one database."""

from dataclasses import dataclass

from runtime.clock import Clock, utc_now
from runtime.sealing import Sealer
from services.identity.accounts import Accounts
from services.identity.admin import Administration
from services.identity.audit import Audit
from services.identity.authentication import Authentication
from services.identity.database import Database
from services.identity.email_flows import EmailFlows
from services.identity.email_links import Links
from services.identity.email_rules import EmailRules
from services.identity.hashing import Hasher
from services.identity.mail import Post
from services.identity.mails import Mails
from services.identity.outbox import Outbox
from services.identity.password_resets import PasswordResets
from services.identity.sessions import Lifetimes, Sessions
from services.identity.sign_ups import SignUps
from services.identity.user_deletion import UserDeletion
from services.identity.users import Users
from services.identity.verifications import Verifications


@dataclass(frozen=True, slots=True)
class Site:
    """What one product has decided: how its people sign up, what they are mailed, and where its links lead."""

    base_url: str
    secrets: tuple[str, ...]
    rules: EmailRules
    lifetimes: Lifetimes
    refuse_common: bool = True


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicers are made of."""

    users: Users
    accounts: Accounts
    sessions: Sessions
    verifications: Verifications
    audit: Audit
    links: Links
    mails: Mails
    authentication: Authentication
    sign_ups: SignUps
    resets: PasswordResets
    flows: EmailFlows
    deletion: UserDeletion
    administration: Administration


def assemble(
    database: Database, outbox: Outbox, hasher: Hasher, sealer: Sealer, site: Site, *, now: Clock = utc_now
) -> Parts:
    """Return the parts on a database, for a site."""
    rules, common = site.rules, site.refuse_common
    users, accounts = Users(database, outbox, now=now), Accounts(database, now=now)
    sessions, verifications = Sessions(database, outbox, site.lifetimes, now=now), Verifications(database, now=now)
    audit, links = Audit(database, outbox, now=now), Links(site.base_url, site.secrets, now=now)
    mails = Mails(Post(outbox, sealer), links, site.base_url)
    authentication = Authentication(
        database, users, accounts, sessions, hasher, audit, mails, rules, refuse_common=common, now=now
    )
    return Parts(
        users,
        accounts,
        sessions,
        verifications,
        audit,
        links,
        mails,
        authentication,
        SignUps(
            database,
            accounts,
            sessions,
            authentication,
            hasher,
            audit,
            mails,
            rules,
            refuse_common=common,
            now=now,
        ),
        PasswordResets(
            database, users, accounts, sessions, verifications, hasher, mails, audit, rules, refuse_common=common
        ),
        EmailFlows(database, users, accounts, sessions, authentication, verifications, links, mails, audit, rules),
        UserDeletion(database, users, sessions, authentication, verifications, mails, audit, rules),
        Administration(database, users, accounts, sessions, outbox, audit, now=now),
    )
