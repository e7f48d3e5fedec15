"""The catalog of providers: endpoints, scopes and differences, as data.

Addresses and default scopes are those of better-auth 1.7.24.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from joserfc import jwt
from joserfc.jwk import ECKey

from services.identity.oauth.errors import BadTokenError
from services.identity.oauth.providers import profiles
from services.identity.oauth.providers.profiles import Claims, ReadProfile

APPLE = "https://appleid.apple.com"
GOOGLE = "https://accounts.google.com"
MICROSOFT = "https://login.microsoftonline.com"
MICROSOFT_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of all personal Microsoft accounts."""
MANY_TENANTS = ("common", "organizations", "consumers")
SECRET_SECONDS = 300
HOUR = 3_600


class ClientAuth(Enum):
    """How we prove to a token endpoint who we are."""

    POST = "client_secret_post"
    BASIC = "client_secret_basic"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked; `userinfo` are the documents that its profile is read from, in order."""

    authorization: str
    token: str
    userinfo: tuple[str, ...] = ()
    jwks: str = ""


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """What the operator has of a provider: our name there, and what proves it."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    tenant_id: str = ""
    team_id: str = ""
    key_id: str = ""
    private_key: str = field(default="", repr=False)


IssuerRule = Callable[[Claims], str]
"""Returns the issuer that an id token's accounts are filed under. Raises BadTokenError if it may not speak here."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One place to sign in at.

    `endpoints` is None where they are read from the metadata of `issuer`. `issuer` is what accounts are filed under,
    and what the callback's `iss` must be; empty where only the id token tells (Entra's tenants), or nothing does.
    """

    id: str
    registration: ClientRegistration
    read: ReadProfile
    scopes: tuple[str, ...]
    issuer: str = ""
    endpoints: Endpoints | None = None
    issuer_rule: IssuerRule | None = None  # of those that issue id tokens
    algorithms: tuple[str, ...] = ("RS256",)
    auth: ClientAuth = ClientAuth.POST
    modes: Mapping[str, str] = field(default_factory=dict)  # of the provider's page: how it asks, and how it answers
    extra: Mapping[str, str] = field(default_factory=dict)
    is_nonce_hashed: bool = False  # whether applications send the SHA-256 of the nonce that they tell us
    token_age_seconds: int = HOUR  # of id tokens that an application brings

    @property
    def is_openid(self) -> bool:
        """Whether the provider issues id tokens, which then identify the user."""
        return self.issuer_rule is not None

    def secret(self, now: Callable[[], float] = time.time) -> str:
        """Return what proves to the token endpoint who we are."""
        own = self.registration
        if not own.private_key:
            return own.client_secret
        issued = int(now())
        claims = {"iss": own.team_id, "iat": issued, "exp": issued + SECRET_SECONDS, "aud": APPLE, "sub": own.client_id}
        return jwt.encode({"alg": "ES256", "kid": own.key_id}, claims, ECKey.import_key(own.private_key))


def exact_issuer(*issuers: str) -> IssuerRule:
    """Return the rule that a token's issuer is one of these, spelled so; the first is what accounts are filed under."""

    def rule(claims: Claims) -> str:
        if claims.get("iss") not in issuers:
            raise BadTokenError("iss is another")
        return issuers[0]

    return rule


def tenant_issuer(authority: str, tenant: str) -> IssuerRule:
    """Return Entra's rule: the issuer names the token's own tenant, and that one is let in."""

    def rule(claims: Claims) -> str:
        own = claims.get("tid")
        issuer = f"{authority}/{own}/v2.0"
        if not isinstance(own, str) or claims.get("iss") != issuer:
            raise BadTokenError("iss is not the token's tenant")
        is_personal = own == MICROSOFT_PERSONAL
        if (tenant == "organizations" and is_personal) or (tenant == "consumers" and not is_personal):
            raise BadTokenError("tid is of a class of accounts that is not let in")
        if tenant not in MANY_TENANTS and own != tenant:
            raise BadTokenError("tid is another")
        return issuer

    return rule


def github(own: ClientRegistration) -> Provider:
    endpoints = Endpoints(
        "https://github.com/login/oauth/authorize",
        "https://github.com/login/oauth/access_token",
        ("https://api.github.com/user", "https://api.github.com/user/emails"),
    )
    return Provider("github", own, profiles.github, ("read:user", "user:email"), endpoints=endpoints)


def google(own: ClientRegistration) -> Provider:
    endpoints = Endpoints(
        f"{GOOGLE}/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        jwks="https://www.googleapis.com/oauth2/v3/certs",
    )
    return Provider(
        "google",
        own,
        profiles.openid,
        ("email", "profile", "openid"),
        GOOGLE,
        endpoints,
        exact_issuer(GOOGLE, "accounts.google.com"),
        extra={"include_granted_scopes": "true"},
    )


def microsoft(own: ClientRegistration) -> Provider:
    tenant = own.tenant_id or "common"
    authority = f"{MICROSOFT}/{tenant}"
    endpoints = Endpoints(
        f"{authority}/oauth2/v2.0/authorize",
        f"{authority}/oauth2/v2.0/token",
        jwks=f"{authority}/discovery/v2.0/keys",
    )
    return Provider(
        "microsoft",
        own,
        profiles.microsoft,
        ("openid", "profile", "email", "User.Read", "offline_access"),
        "" if tenant in MANY_TENANTS else f"{authority}/v2.0",
        endpoints,
        tenant_issuer(MICROSOFT, tenant),
    )


def apple(own: ClientRegistration) -> Provider:
    endpoints = Endpoints(f"{APPLE}/auth/authorize", f"{APPLE}/auth/token", jwks=f"{APPLE}/auth/keys")
    return Provider(
        "apple",
        own,
        profiles.openid,
        ("email", "name"),
        APPLE,
        endpoints,
        exact_issuer(APPLE),
        modes={"response_mode": "form_post"},
        is_nonce_hashed=True,
    )


def discord(own: ClientRegistration) -> Provider:
    endpoints = Endpoints(
        "https://discord.com/api/oauth2/authorize",
        "https://discord.com/api/oauth2/token",
        ("https://discord.com/api/users/@me",),
    )
    return Provider(
        "discord", own, profiles.discord, ("identify", "email"), endpoints=endpoints, modes={"prompt": "none"}
    )


def gitlab(own: ClientRegistration) -> Provider:
    base = (own.issuer or "https://gitlab.com").rstrip("/")
    endpoints = Endpoints(f"{base}/oauth/authorize", f"{base}/oauth/token", (f"{base}/api/v4/user",))
    return Provider("gitlab", own, profiles.gitlab, ("read_user",), base, endpoints)


def openid_provider(name: str, own: ClientRegistration) -> Provider:
    """Return any OpenID Connect provider, whose metadata tells the rest."""
    scopes = own.scopes or ("openid", "profile", "email")
    if "openid" not in scopes:
        scopes = ("openid", *scopes)
    # The rule comes with the metadata: until then no token is believed.
    return Provider(name, own, profiles.openid, scopes, own.issuer, issuer_rule=exact_issuer(own.issuer))


MakeProvider = Callable[[ClientRegistration], Provider]
BUILT_IN: Mapping[str, MakeProvider] = {
    "apple": apple,
    "discord": discord,
    "github": github,
    "gitlab": gitlab,
    "google": google,
    "microsoft": microsoft,
}
"""How each provider that is known by name is made of its registration."""
