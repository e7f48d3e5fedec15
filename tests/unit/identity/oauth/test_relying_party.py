"""The PKCE challenge that the authorization request carries."""

from services.identity.oauth.providers.relying_party import code_challenge


def test_the_code_challenge_is_that_of_rfc_7636() -> None:
    """Appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
