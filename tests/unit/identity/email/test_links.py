"""The proof that a verification link carries: what the original writes, and nothing that anybody else could."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from runtime.errors import InvalidArgument
from services.identity.email.links import LinkClaims, LinkPurpose, Links

SECRET = "0123456789abcdef0123456789abcdef-SeCrEt"
FORMER = "a-former-secret-0123456789abcdef-01"
NOW = datetime.fromtimestamp(1_795_529_699, UTC)
PROOF = LinkClaims("b@x.io", "eX0E6UuVktDpEtIdwR0WkywgFIV5G8t0")
CHANGE = LinkClaims("b@x.io", PROOF.user_id, LinkPurpose.CONFIRM_CHANGE, "d@x.io")

# Written by better-auth 1.7.24 at NOW, under SECRET, for PROOF and for CHANGE.
VERIFICATION = (
    "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImJAeC5pbyIsInVzZXJJZCI6ImVYMEU2VXVWa3REcEV0SWR3UjBXa3l3Z0ZJVjVHOHQwIiwiaWF0Ijo"
    "xNzk1NTI5Njk5LCJleHAiOjE3OTU1MzMyOTl9.7O-zm3pmbfyq_Inv-_LCsys8-iT6BXqNANuRRNwdTlE"
)
CONFIRMATION = (
    "eyJhbGciOiJIUzI1NiJ9.eyJlbWFpbCI6ImJAeC5pbyIsInVwZGF0ZVRvIjoiZEB4LmlvIiwicmVxdWVzdFR5cGUiOiJjaGFuZ2UtZW1haWwtY29u"
    "ZmlybWF0aW9uIiwidXNlcklkIjoiZVgwRTZVdVZrdERwRXRJZHdSMFdreXdnRklWNUc4dDAiLCJpYXQiOjE3OTU1Mjk2OTksImV4cCI6MTc5NTUzMz"
    "I5OX0.nNkul8y6webZn3DHwpjBKhkjNrguj0p0tDD-uXqwtcY"
)


def links(*secrets: str, base_url: str = "https://app.example.com", after: float = 0) -> Links:
    return Links(base_url, secrets or (SECRET,), now=lambda: NOW + timedelta(seconds=after))


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: object, header: object = None, *, key: str = SECRET) -> str:
    """Return a JWT whose signature is right, whatever it says."""
    text = f"{segment({'alg': 'HS256'} if header is None else header)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def claims(**other: Any) -> dict[str, Any]:
    return {"email": "b@x.io", "userId": "u", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60} | other


def refusal(token: str, using: Links | None = None) -> str:
    with pytest.raises(InvalidArgument) as caught:
        (using or links()).read(token)
    return caught.value.reason


@pytest.mark.parametrize(("proof", "token"), [(PROOF, VERIFICATION), (CHANGE, CONFIRMATION)])
def test_a_proof_is_byte_for_byte_what_the_original_writes(proof: LinkClaims, token: str) -> None:
    assert links().sign(proof) == token
    assert links().read(token) == proof


def test_another_implementation_reads_what_is_written() -> None:
    token = jwt.decode(links().sign(CHANGE), OctKey.import_key(SECRET), algorithms=["HS256"])
    assert token.header == {"alg": "HS256"}
    assert token.claims == {
        "email": "b@x.io",
        "updateTo": "d@x.io",
        "requestType": "change-email-confirmation",
        "userId": PROOF.user_id,
        "iat": 1_795_529_699,
        "exp": 1_795_533_299,
    }


def test_former_secrets_are_good_and_no_others() -> None:
    token = links(FORMER).sign(PROOF)
    assert links(SECRET, FORMER).read(token) == PROOF
    assert refusal(token) == "INVALID_TOKEN"
    assert links(SECRET, FORMER).sign(PROOF) == VERIFICATION, "the first one signs"


def test_a_proof_is_good_for_an_hour() -> None:
    """A5."""
    assert links(after=3599).read(VERIFICATION) == PROOF
    assert refusal(VERIFICATION, links(after=3600)) == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": "hs256"},
        {"alg": "HS256", "crit": ["exp"]},
        {"alg": "HS256", "jwk": {}},
        [],
        b"\xff",
    ],
)
def test_no_other_header_is_taken_though_the_signature_is_right(header: object) -> None:
    """A5: one algorithm, ours."""
    assert refusal(signed(claims(), header)) == "INVALID_TOKEN"
    assert links().read(signed(claims())).user_id == "u", "so that the refusals above say something"


@pytest.mark.parametrize(
    "payload",
    [
        claims(email=None),
        claims(email={"$ne": ""}),
        claims(userId=1),
        claims(exp="9999999999"),
        claims(exp=True),
        {"email": "b@x.io", "userId": "u"},
        claims(updateTo="d@x.io"),
        claims(updateTo="d@x.io", requestType="another"),
        claims(updateTo="d@x.io", requestType="change-email-verification", userId=""),
        claims(requestType="change-email-verification"),
        {"session": {"id": "s"}, "user": {"email": "b@x.io"}, "exp": 9_999_999_999},
        [],
        "text",
        b"\xff",
        b"[" * 2_000,
    ],
)
def test_what_is_no_proof_is_refused_though_it_is_signed(payload: object) -> None:
    """A5; a change of one step, as former versions had, is none (A8), and no session of a cookie is a proof."""
    assert refusal(signed(payload)) == "INVALID_TOKEN"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c.d", "é.é.é", "x" * 5_000, VERIFICATION + "=", VERIFICATION[:-1], f" {VERIFICATION}"],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal(token) == "INVALID_TOKEN"


def test_no_letter_of_a_token_can_be_another() -> None:
    """S6's rule for signatures: also not where base64 has bits to spare."""
    for place in range(len(VERIFICATION)):
        other = "A" if VERIFICATION[place] != "A" else "B"
        assert refusal(VERIFICATION[:place] + other + VERIFICATION[place + 1 :]) == "INVALID_TOKEN"


@pytest.mark.parametrize("base_url", ["https://app.example.com", "https://app.example.com/"])
def test_links_lead_to_the_configured_address_and_carry_callbacks_encoded(base_url: str) -> None:
    """C4, I7: a callback cannot leave the parameter that it stands in."""
    nasty = "/a b&token=x#f\r\n?é"
    written = links(base_url=base_url)
    assert written.reset_password("T", nasty) == (
        "https://app.example.com/api/auth/reset-password/T?callbackURL=%2Fa%20b%26token%3Dx%23f%0D%0A%3F%C3%A9"
    )
    assert written.reset_password("T", "").endswith("/reset-password/T?callbackURL=")
    assert written.verify_email(PROOF, "").endswith("&callbackURL=%2F")
    assert (
        written.delete_user("T", "") == "https://app.example.com/api/auth/delete-user/callback?token=T&callbackURL=%2F"
    )
