"""The settings of sign-in at providers: TRIVET_OAUTH_* variables, a group for each provider."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from pydantic import Field, PrivateAttr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from runtime.settings import Settings, Words, from_env
from services.identity.oauth.providers.catalog import (
    BUILT_IN,
    MANY_TENANTS,
    ClientRegistration,
    Provider,
    openid_provider,
)
from services.identity.oauth.providers.discovery import WELL_KNOWN
from services.identity.oauth.providers.provider_http import LOOPBACK

PREFIX = "TRIVET_OAUTH_"
NAMED = re.compile(r"OIDC_([A-Z0-9]+(?:_[A-Z0-9]+)*?)_(ISSUER|CLIENT_ID|CLIENT_SECRET|SCOPES)")
TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}")
NAME_LENGTH = 64
EXTRA = {"microsoft": ("TENANT_ID",), "apple": ("TEAM_ID", "KEY_ID", "PRIVATE_KEY"), "gitlab": ("ISSUER",)}
"""The variables of a provider beside CLIENT_ID, CLIENT_SECRET and SCOPES."""


class SignUpRule(Enum):
    """Whether a sign-in at a provider can create a user: always, never, or only if the request asks for a sign-up."""

    ON = "on"
    OFF = "off"
    EXPLICIT = "explicit"


@dataclass(frozen=True, slots=True)
class OAuthRules:
    """The operator's rules for users and accounts from providers."""

    trusted: frozenset[str] = frozenset()
    requires_verified_user: bool = True
    links_different_emails: bool = False
    sign_up: SignUpRule = SignUpRule.ON
    sign_up_of: Mapping[str, SignUpRule] = field(default_factory=dict)

    def may_sign_up(self, provider: str, *, requested: bool) -> bool:
        """Whether a sign-in at a provider can create a user. `requested` says that the request asks for a sign-up."""
        rule = self.sign_up_of.get(provider, self.sign_up)
        return rule is SignUpRule.ON or (rule is SignUpRule.EXPLICIT and requested)


class _Prefixed(PydanticBaseSettingsSource):
    """A source of settings: the environment variables that begin with PREFIX."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


class OAuthSettings(Settings):
    """The providers and their rules."""

    prefixes: ClassVar[tuple[str, ...]] = (PREFIX,)

    trusted_providers: Words = from_env(
        "TRIVET_OAUTH_TRUSTED_PROVIDERS",
        default=(),
        description="Providers whose email addresses count as verified even if they are not, by comma.",
    )
    require_local_email_verified: bool = from_env(
        "TRIVET_OAUTH_REQUIRE_LOCAL_EMAIL_VERIFIED",
        default=True,
        description="Whether a provider is linked to an existing user by email only if the user has verified it.",
    )
    link_different_emails: bool = from_env(
        "TRIVET_OAUTH_LINK_DIFFERENT_EMAILS",
        default=False,
        description="Whether a signed-in user can link an account with another email address.",
    )
    oauth_sign_up: Words = from_env(
        "TRIVET_OAUTH_SIGN_UP",
        default=("on",),
        description="on, off or explicit (only if the request asks for it): whether a sign-in at a provider can create "
        "a user. PROVIDER=on and the like, by comma, set it for one provider.",
    )
    oauth_names: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    _providers: tuple[Provider, ...] = PrivateAttr(default=())
    _rules: OAuthRules = PrivateAttr(default_factory=OAuthRules)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Prefixed(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        own = {alias for each in OAuthSettings.model_fields.values() for alias in _aliases(each.validation_alias)}
        named = {name: value for name, value in values.items() if name.startswith(PREFIX) and name not in own}
        return values | {"oauth_names": named}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        mistakes: list[str] = []
        self._providers = tuple(_providers(self.oauth_names, mistakes, loopback=not self.is_production))
        known = {each.id for each in self._providers}
        mistakes += [
            f"TRIVET_OAUTH_TRUSTED_PROVIDERS: {name} is not configured, only {_listed(known)}"
            for name in self.trusted_providers
            if name not in known
        ]
        rule, of = _sign_up(self.oauth_sign_up, known, mistakes)
        if mistakes:
            raise ValueError("; ".join(mistakes))
        self._rules = OAuthRules(
            frozenset(self.trusted_providers), self.require_local_email_verified, self.link_different_emails, rule, of
        )
        return self

    @property
    def providers(self) -> tuple[Provider, ...]:
        return self._providers

    @property
    def oauth_rules(self) -> OAuthRules:
        return self._rules


def _aliases(alias: Any) -> list[str]:
    return [str(each) for each in getattr(alias, "choices", ())]


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _providers(names: Mapping[str, str], mistakes: list[str], *, loopback: bool) -> Iterator[Provider]:
    """Yield the providers that the variables configure. Adds what is wrong to `mistakes`, with the variable's name."""
    groups: dict[str, dict[str, str]] = {}
    stems: dict[str, str] = {}
    for name, value in sorted(names.items()):
        provider, stem, key = _parted(name)
        if not provider or (len(provider) > NAME_LENGTH):
            mistakes.append(f"{name} is not a setting")
        elif value:
            groups.setdefault(provider, {})[key] = value
            stems[provider] = stem
    for provider, given in groups.items():
        before = len(mistakes)
        own = _registration(provider, stems[provider], given, mistakes, loopback=loopback)
        if len(mistakes) == before:
            yield _provider(provider, own)


def _provider(provider: str, own: ClientRegistration) -> Provider:
    if provider not in BUILT_IN:
        return openid_provider(provider, own)
    made = BUILT_IN[provider](own)
    return replace(made, scopes=tuple(dict.fromkeys((*made.scopes, *own.scopes))))


def _parted(name: str) -> tuple[str, str, str]:
    """Return a variable's provider, the prefix of the provider's variables, and the key; empty if it is unknown."""
    rest = name.removeprefix(PREFIX)
    if matched := NAMED.fullmatch(rest):
        provider = matched[1].lower().replace("_", "-")
        return (
            ("", "", "") if provider in (*BUILT_IN, "credential") else (provider, name[: -len(matched[2])], matched[2])
        )
    provider, _, key = rest.partition("_")
    provider = provider.lower()
    if provider in BUILT_IN and key in ("CLIENT_ID", "CLIENT_SECRET", "SCOPES", *EXTRA.get(provider, ())):
        return provider, f"{PREFIX}{provider.upper()}_", key
    return "", "", ""


def _registration(
    provider: str, stem: str, given: Mapping[str, str], mistakes: list[str], *, loopback: bool
) -> ClientRegistration:
    needed = ["CLIENT_ID"]
    if provider == "apple" and "CLIENT_SECRET" not in given:
        needed += EXTRA["apple"]
    else:
        needed.append("CLIENT_SECRET")
    if provider not in BUILT_IN:
        needed.append("ISSUER")
    mistakes += [f"{stem}{key} is missing" for key in needed if key not in given]
    own = ClientRegistration(
        client_id=given.get("CLIENT_ID", ""),
        client_secret=given.get("CLIENT_SECRET", ""),
        scopes=tuple(given.get("SCOPES", "").replace(",", " ").split()),
        issuer=given.get("ISSUER", "").removesuffix(WELL_KNOWN),
        tenant_id=given.get("TENANT_ID", ""),
        team_id=given.get("TEAM_ID", ""),
        key_id=given.get("KEY_ID", ""),
        private_key=given.get("PRIVATE_KEY", "").replace("\\n", "\n"),
    )
    if own.issuer and not _is_issuer(own.issuer, loopback=loopback):
        mistakes.append(f"{stem}ISSUER must be like https://id.example.com, or the address of its discovery document")
    if own.tenant_id and own.tenant_id not in MANY_TENANTS and not TENANT.fullmatch(own.tenant_id):
        mistakes.append(f"{stem}TENANT_ID must be a tenant's id, common, organizations or consumers")
    if own.private_key and not _is_private_key(own.private_key):
        mistakes.append(f"{stem}PRIVATE_KEY must be the PEM of an EC key: the content of Apple's .p8 file")
    return own


def _is_issuer(text: str, *, loopback: bool) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    secure = parts.scheme == "https" or (loopback and parts.scheme == "http" and parts.hostname in LOOPBACK)
    plain = not (parts.query or parts.fragment or parts.username) and len(text) <= 255 and text.isascii()
    return secure and bool(parts.hostname) and plain


def _is_private_key(text: str) -> bool:
    try:
        return ECKey.import_key(text).is_private
    except (JoseError, ValueError, TypeError):
        return False


def _sign_up(words: tuple[str, ...], known: set[str], mistakes: list[str]) -> tuple[SignUpRule, dict[str, SignUpRule]]:
    rule, of = SignUpRule.ON, {}
    for word in words:
        provider, equals, value = word.rpartition("=")
        if value not in [each.value for each in SignUpRule] or (equals and provider not in known):
            mistakes.append(
                f"TRIVET_OAUTH_SIGN_UP: {word} is neither on, off, explicit nor PROVIDER=one of them"
                f" with a configured provider ({_listed(known)})"
            )
        elif equals:
            of[provider] = SignUpRule(value)
        else:
            rule = SignUpRule(value)
    return rule, of
