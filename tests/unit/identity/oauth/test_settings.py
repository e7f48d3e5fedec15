"""TRIVET_OAUTH_* as an operator writes them, and how mistakes are told."""

from typing import Any

import pytest
from joserfc.jwk import ECKey

from ops.errors import WrongSettings
from ops.settings_reader import mistakes, read_settings
from ops.stack.environment import environment, settings_of
from services.identity.oauth.providers.settings import OAuthSettings, SignUpRule
from services.identity.settings import IdentitySettings

PEM = ECKey.generate_key("P-256").as_pem(private=True).decode()
GITHUB = {"TRIVET_OAUTH_GITHUB_CLIENT_ID": "id", "TRIVET_OAUTH_GITHUB_CLIENT_SECRET": "a-secret-of-github"}
ACME = {
    "TRIVET_OAUTH_OIDC_MY_IDP_ISSUER": "https://id.example.com/realms/x",
    "TRIVET_OAUTH_OIDC_MY_IDP_CLIENT_ID": "id",
    "TRIVET_OAUTH_OIDC_MY_IDP_CLIENT_SECRET": "a-secret-of-acme",
    "TRIVET_OAUTH_OIDC_MY_IDP_SCOPES": "email,groups offline_access",
}


def read(**names: str) -> OAuthSettings:
    return read_settings(OAuthSettings, names)


def test_without_a_word_there_is_no_provider() -> None:
    settings = read()
    assert settings.providers == ()
    assert settings.oauth_rules.requires_verified_user
    assert not settings.oauth_rules.links_different_emails


def test_any_number_of_providers_is_read() -> None:
    settings = read(**GITHUB, **ACME, TRIVET_OAUTH_OIDC_TWO_ISSUER="", TRIVET_OAUTH_TRUSTED_PROVIDERS="my-idp")
    assert [each.id for each in settings.providers] == ["github", "my-idp"]
    github, acme = settings.providers
    assert (github.registration.client_id, github.scopes) == ("id", ("read:user", "user:email"))
    assert acme.scopes == ("openid", "email", "groups", "offline_access")
    assert acme.issuer == "https://id.example.com/realms/x"
    assert settings.oauth_rules.trusted == {"my-idp"}
    for secret in ("a-secret-of-github", "a-secret-of-acme"):
        assert secret not in repr(settings)
        assert secret not in str(settings.model_dump())


def test_they_are_read_from_the_environment_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GITHUB | ACME).items():
        monkeypatch.setenv(name, value)
    assert [each.id for each in OAuthSettings().providers] == ["github", "my-idp"]


def test_a_discovery_address_is_as_good_as_an_issuer() -> None:
    address = "https://id.example.com/realms/x/.well-known/openid-configuration"
    (acme,) = read(**(ACME | {"TRIVET_OAUTH_OIDC_MY_IDP_ISSUER": address})).providers
    assert acme.issuer == "https://id.example.com/realms/x"


def test_apple_has_a_key_or_a_secret() -> None:
    own = {"CLIENT_ID": "a", "TEAM_ID": "t", "KEY_ID": "k", "PRIVATE_KEY": PEM.replace("\n", "\\n")}
    (apple,) = read(**{f"TRIVET_OAUTH_APPLE_{name}": value for name, value in own.items()}).providers
    assert apple.secret().count(".") == 2
    (apple,) = read(TRIVET_OAUTH_APPLE_CLIENT_ID="a", TRIVET_OAUTH_APPLE_CLIENT_SECRET="made-elsewhere").providers
    assert apple.secret() == "made-elsewhere"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"TRIVET_OAUTH_GITHUB_CLIENT_ID": "x"}, "TRIVET_OAUTH_GITHUB_CLIENT_SECRET is missing"),
        ({"TRIVET_OAUTH_GITHUB_CLIENTID": "x"}, "TRIVET_OAUTH_GITHUB_CLIENTID is not a setting"),
        ({"TRIVET_OAUTH_TWITTER_CLIENT_ID": "x"}, "TRIVET_OAUTH_TWITTER_CLIENT_ID is not a setting"),
        ({"TRIVET_OAUTH_OIDC_GITHUB_ISSUER": "https://x"}, "TRIVET_OAUTH_OIDC_GITHUB_ISSUER is not a setting"),
        ({"TRIVET_OAUTH_OIDC_CREDENTIAL_ISSUER": "x"}, "TRIVET_OAUTH_OIDC_CREDENTIAL_ISSUER is not a setting"),
        (ACME | {"TRIVET_OAUTH_OIDC_MY_IDP_ISSUER": "http://x.io"}, "TRIVET_OAUTH_OIDC_MY_IDP_ISSUER must be like"),
        (ACME | {"TRIVET_OAUTH_OIDC_MY_IDP_ISSUER": "https://a@x.io"}, "TRIVET_OAUTH_OIDC_MY_IDP_ISSUER must be like"),
        ({"TRIVET_OAUTH_MICROSOFT_TENANT_ID": "../x"}, "TRIVET_OAUTH_MICROSOFT_TENANT_ID must be"),
        ({"TRIVET_OAUTH_APPLE_PRIVATE_KEY": "a-secret-key"}, "TRIVET_OAUTH_APPLE_PRIVATE_KEY must be"),
        ({"TRIVET_OAUTH_TRUSTED_PROVIDERS": "github"}, "TRIVET_OAUTH_TRUSTED_PROVIDERS: github is not configured"),
        ({"TRIVET_OAUTH_SIGN_UP": "never"}, "TRIVET_OAUTH_SIGN_UP: never is neither"),
        ({"TRIVET_OAUTH_SIGN_UP": "github=off"}, "TRIVET_OAUTH_SIGN_UP: github=off is neither"),
        ({"TRIVET_OAUTH_LINK_DIFFERENT_EMAILS": "perhaps"}, "TRIVET_OAUTH_LINK_DIFFERENT_EMAILS"),
    ],
)
def test_a_mistake_is_told_by_its_name(names: dict[str, str], said: str) -> None:
    """R37."""
    with pytest.raises(WrongSettings) as caught:
        read(**names)
    assert said in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_mistakes_are_told_together() -> None:
    found = "\n".join(mistakes(OAuthSettings, {"TRIVET_OAUTH_GITHUB_CLIENT_ID": "x", "TRIVET_OAUTH_X": "y"}))
    assert "TRIVET_OAUTH_GITHUB_CLIENT_SECRET" in found
    assert "TRIVET_OAUTH_X" in found


@pytest.mark.parametrize(
    ("words", "requested", "expected"),
    [
        ("on", False, [True, True]),
        ("off", True, [False, False]),
        ("explicit", False, [False, False]),
        ("explicit", True, [True, True]),
        ("off,github=on", False, [True, False]),
        ("my-idp=explicit", False, [True, False]),
    ],
)
def test_who_may_sign_up_is_said_for_all_or_for_one(words: str, requested: bool, expected: list[bool]) -> None:
    rules = read(**GITHUB, **ACME, TRIVET_OAUTH_SIGN_UP=words).oauth_rules
    assert [rules.may_sign_up(name, requested=requested) for name in ("github", "my-idp")] == expected
    assert SignUpRule("on") is SignUpRule.ON


def test_identity_alone_is_given_the_providers() -> None:
    """K3: what a process does not know it cannot lose."""
    operators: dict[str, Any] = {**GITHUB, **ACME, "TRIVET_OAUTH_SIGN_UP": "off"}
    assert operators.items() <= environment("identity", {}, operators).items()
    for process in ("gateway", "notifications", "cache"):
        assert not [name for name in environment(process, {}, operators) if name.startswith("TRIVET_OAUTH")]
    assert settings_of("identity") is IdentitySettings
