"""The providers that are known by name: whose tokens they believe, and how Apple's secret is made."""

import base64
import json

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from services.identity.oauth.errors import BadTokenError
from services.identity.oauth.providers.catalog import (
    BUILT_IN,
    MICROSOFT_PERSONAL,
    ClientRegistration,
    exact_issuer,
    tenant_issuer,
)

OWN = "https://login.microsoftonline.com"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER = "11111111-2222-3333-4444-555555555555"
PEM = ECKey.generate_key("P-256").as_pem(private=True).decode()


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_address_is_https_and_a_secret_shows_itself_nowhere(name: str) -> None:
    provider = BUILT_IN[name](ClientRegistration("id", "a-secret", private_key="a-key"))
    assert provider.id == name
    assert provider.endpoints is not None
    addresses = (provider.endpoints.authorization, provider.endpoints.token, *provider.endpoints.userinfo)
    assert all(address.startswith("https://") for address in addresses)
    assert "a-secret" not in repr(provider)
    assert "a-key" not in repr(provider)
    assert provider.is_openid == bool(provider.endpoints.jwks) == (name in ("google", "microsoft", "apple"))


@pytest.mark.parametrize(
    ("tenant", "tid", "good"),
    [
        ("common", TENANT, True),
        ("common", MICROSOFT_PERSONAL, True),
        ("organizations", TENANT, True),
        ("organizations", MICROSOFT_PERSONAL, False),
        ("consumers", MICROSOFT_PERSONAL, True),
        ("consumers", TENANT, False),
        (TENANT, TENANT, True),
        (TENANT, OTHER, False),
    ],
)
def test_entra_lets_in_the_tenants_that_are_meant(tenant: str, tid: str, good: bool) -> None:
    """O3: the issuer names the token's own tenant, and that one is let in."""
    claims = {"tid": tid, "iss": f"{OWN}/{tid}/v2.0"}
    if good:
        assert tenant_issuer(OWN, tenant)(claims) == claims["iss"]
    else:
        with pytest.raises(BadTokenError):
            tenant_issuer(OWN, tenant)(claims)
    with pytest.raises(BadTokenError):
        tenant_issuer(OWN, tenant)(claims | {"iss": f"{OWN}/{OTHER}x/v2.0"})
    with pytest.raises(BadTokenError):
        tenant_issuer(OWN, tenant)({"iss": f"{OWN}/None/v2.0"})


def test_an_issuer_is_spelled_exactly_so() -> None:
    """O3."""
    rule = exact_issuer("https://accounts.google.com", "accounts.google.com")
    assert rule({"iss": "accounts.google.com"}) == "https://accounts.google.com"
    for other in (
        "https://accounts.google.com/",
        "http://accounts.google.com",
        "accounts.google.com.evil",
        None,
        ["x"],
    ):
        with pytest.raises(BadTokenError):
            rule({"iss": other})


def test_apples_secret_is_a_short_signed_claim() -> None:
    own = ClientRegistration("com.example.web", team_id="TEAM", key_id="KEY", private_key=PEM)
    secret = BUILT_IN["apple"](own).secret(lambda: 1_700_000_000)
    header = json.loads(base64.urlsafe_b64decode(secret.split(".")[0] + "=="))
    assert (header["alg"], header["kid"]) == ("ES256", "KEY")
    assert jwt.decode(secret, ECKey.import_key(PEM), algorithms=["ES256"]).claims == {
        "iss": "TEAM",
        "sub": "com.example.web",
        "aud": "https://appleid.apple.com",
        "iat": 1_700_000_000,
        "exp": 1_700_000_300,
    }
