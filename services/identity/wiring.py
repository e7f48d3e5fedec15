"""How the parts of the service that need no transport fit together, on one database."""

from dataclasses import dataclass

from runtime.clock import Clock, utc_now
from runtime.sealing import Sealer
from services.identity.email.links import Links
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.email.policy import EmailRules
from services.identity.email.templates import Mails
from services.identity.email.verification import EmailVerification
from services.identity.outbox.audit import Audit
from services.identity.outbox.mail import Post
from services.identity.outbox.outbox import Outbox
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.credentials import Credentials
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.resets import PasswordResets
from services.identity.passwords.sign_up import SignUps
from services.identity.sessions.sessions import Lifetimes, Sessions
from services.identity.store.database import Database
from services.identity.users.administration import Administration
from services.identity.users.deletion import UserDeletion
from services.identity.users.users import Users


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
    accounts: Credentials
    sessions: Sessions
    verifications: OneTimeSecrets
    audit: Audit
    links: Links
    mails: Mails
    authentication: Authentication
    sign_ups: SignUps
    resets: PasswordResets
    flows: EmailVerification
    deletion: UserDeletion
    administration: Administration


def assemble(
    database: Database, outbox: Outbox, hasher: Hasher, sealer: Sealer, site: Site, *, now: Clock = utc_now
) -> Parts:
    """Return the parts on a database, for a site."""
    rules, common = site.rules, site.refuse_common
    users, accounts = Users(database, outbox, now=now), Credentials(database, now=now)
    sessions = Sessions(database, outbox, site.lifetimes, requires_verification=rules.require_verification, now=now)
    verifications = OneTimeSecrets(database, now=now)
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
        EmailVerification(
            database, users, accounts, sessions, authentication, verifications, links, mails, audit, rules
        ),
        UserDeletion(database, users, sessions, authentication, verifications, mails, audit, rules),
        Administration(database, users, accounts, sessions, outbox, audit, now=now),
    )
