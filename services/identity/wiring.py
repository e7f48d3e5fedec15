"""Builds identity's use cases on the stores of one database, for one site."""

from dataclasses import dataclass

from runtime.sealing import Sealer
from services.identity.email.links import Links
from services.identity.email.templates import Mailer
from services.identity.email.verification import EmailVerification
from services.identity.outbox.mail import MailOutbox
from services.identity.passwords.authentication import Authentication
from services.identity.passwords.hashing import Hasher
from services.identity.passwords.resets import PasswordResets
from services.identity.passwords.sign_up import SignUp
from services.identity.site import Site
from services.identity.stores import Stores
from services.identity.users.administration import Administration
from services.identity.users.deletion import UserDeletion


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCases:
    """The use cases that servicers call. They do not depend on gRPC."""

    links: Links
    mailer: Mailer
    authentication: Authentication
    sign_up: SignUp
    resets: PasswordResets
    verification: EmailVerification
    deletion: UserDeletion
    administration: Administration


def build_use_cases(stores: Stores, site: Site, *, hasher: Hasher, sealer: Sealer) -> UseCases:
    """Return the use cases. A new domain adds a line."""
    rules, refuse_common = site.rules, site.refuse_common
    links = Links(site.base_url, site.secrets, now=stores.now)
    mailer = Mailer(MailOutbox(stores.outbox, sealer), links, site.base_url)
    authentication = Authentication(stores, hasher=hasher, mailer=mailer, rules=rules, refuse_common=refuse_common)
    return UseCases(
        links=links,
        mailer=mailer,
        authentication=authentication,
        sign_up=SignUp(
            stores,
            authentication=authentication,
            hasher=hasher,
            mailer=mailer,
            rules=rules,
            refuse_common=refuse_common,
        ),
        resets=PasswordResets(stores, hasher=hasher, mailer=mailer, rules=rules, refuse_common=refuse_common),
        verification=EmailVerification(stores, authentication=authentication, links=links, mailer=mailer, rules=rules),
        deletion=UserDeletion(stores, authentication=authentication, mailer=mailer, rules=rules),
        administration=Administration(stores),
    )
