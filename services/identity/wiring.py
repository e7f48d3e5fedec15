"""How identity's use cases are built: on the stores of one database, for one site."""

from dataclasses import dataclass

from runtime.sealing import Sealer
from services.identity.email.links import Links
from services.identity.email.templates import Mails
from services.identity.email.verification import EmailVerification
from services.identity.outbox.mail import Post
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.resets import PasswordResets
from services.identity.passwords.sign_up import SignUps
from services.identity.site import Site
from services.identity.stores import Stores
from services.identity.users.administration import Administration
from services.identity.users.deletion import UserDeletion


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """What the servicers call. None of them knows a transport."""

    links: Links
    mails: Mails
    authentication: Authentication
    sign_ups: SignUps
    resets: PasswordResets
    verification: EmailVerification
    deletion: UserDeletion
    administration: Administration


def build_use_cases(stores: Stores, site: Site, *, hasher: Hasher, sealer: Sealer) -> UseCases:
    """Return the use cases; a new domain adds a line."""
    rules, refuse_common = site.rules, site.refuse_common
    links = Links(site.base_url, site.secrets, now=stores.now)
    mails = Mails(Post(stores.outbox, sealer), links, site.base_url)
    authentication = Authentication(stores, hasher=hasher, mails=mails, rules=rules, refuse_common=refuse_common)
    return UseCases(
        links=links,
        mails=mails,
        authentication=authentication,
        sign_ups=SignUps(
            stores,
            authentication=authentication,
            hasher=hasher,
            mails=mails,
            rules=rules,
            refuse_common=refuse_common,
        ),
        resets=PasswordResets(stores, hasher=hasher, mails=mails, rules=rules, refuse_common=refuse_common),
        verification=EmailVerification(stores, authentication=authentication, links=links, mails=mails, rules=rules),
        deletion=UserDeletion(stores, authentication=authentication, mails=mails, rules=rules),
        administration=Administration(stores),
    )
