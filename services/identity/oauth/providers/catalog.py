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
    """The client authentication at a token endpoint."""

    POST = "client_secret_post"
    BASIC = "client_secret_basic"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A provider's endpoints. `userinfo` lists the URLs that the profile is read from, in order."""

    authorization: str
    token: str
    userinfo: tuple[str, ...] = ()
    jwks: str = ""


@dataclass(frozen=True, slots=True)
class ClientRegistration:
    """Our client registration at a provider: the client id, its secret or key, and scopes."""

    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    tenant_id: str = ""
    team_id: str = ""
    key_id: str = ""
    private_key: str = field(default="", repr=False)


IssuerRule = Callable[[Claims], str]
"""Returns the issuer of an id token, in the spelling that accounts store. Raises BadTokenError for another issuer."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider.

    `endpoints` is None if they are read from the metadata of `issuer`. Accounts store the `issuer`, and the callback's
    `iss` must be equal to it. It is empty if it depends on the id token (Entra's tenants) or does not exist.
    """

    id: str
    registration: ClientRegistration
    read: ReadProfile
    scopes: tuple[str, ...]
    issuer: str = ""
    endpoints: Endpoints | None = None
    issuer_rule: IssuerRule | None = None  # None if the provider issues no id tokens
    algorithms: tuple[str, ...] = ("RS256",)
    auth: ClientAuth = ClientAuth.POST
    modes: Mapping[str, str] = field(
        default_factory=dict
    )  # parameters of the provider's page: prompt and response_mode
    extra: Mapping[str, str] = field(default_factory=dict)
    is_nonce_hashed: bool = False  # whether the id token has the SHA-256 of the nonce
    token_age_seconds: int = HOUR  # the maximum age of id tokens from applications

    @property
    def is_openid(self) -> bool:
        """Whether the provider issues id tokens, which then identify the user."""
        return self.issuer_rule is not None

    def secret(self, now: Callable[[], float] = time.time) -> str:
        """Return the client secret for the token endpoint; for Apple, a new signed JWT."""
        own = self.registration
        if not own.private_key:
            return own.client_secret
        issued = int(now())
        claims = {"iss": own.team_id, "iat": issued, "exp": issued + SECRET_SECONDS, "aud": APPLE, "sub": own.client_id}
        return jwt.encode({"alg": "ES256", "kid": own.key_id}, claims, ECKey.import_key(own.private_key))


def exact_issuer(*issuers: str) -> IssuerRule:
    """Return a rule that accepts exactly these issuers. Accounts store the first one."""

    def rule(claims: Claims) -> str:
        if claims.get("iss") not in issuers:
            raise BadTokenError("iss is not the provider's issuer")
        return issuers[0]

    return rule


def tenant_issuer(authority: str, tenant: str) -> IssuerRule:
    """Return Entra's rule: the issuer contains the token's tenant, and `tenant` permits it."""

    def rule(claims: Claims) -> str:
        own = claims.get("tid")
        issuer = f"{authority}/{own}/v2.0"
        if not isinstance(own, str) or claims.get("iss") != issuer:
            raise BadTokenError("iss is not the token's tenant")
        is_personal = own == MICROSOFT_PERSONAL
        if (tenant == "organizations" and is_personal) or (tenant == "consumers" and not is_personal):
            raise BadTokenError("tid is of a class of accounts that is not permitted")
        if tenant not in MANY_TENANTS and own != tenant:
            raise BadTokenError("tid is not the configured tenant")
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
    """Return an OpenID Connect provider whose endpoints are read from its metadata."""
    scopes = own.scopes or ("openid", "profile", "email")
    if "openid" not in scopes:
        scopes = ("openid", *scopes)
    # The metadata replaces this rule.
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
"""The built-in providers: functions that make a provider from its registration."""
