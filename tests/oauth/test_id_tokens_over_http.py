"""What a provider says and what an application brings is believed only if it proves something."""

import time
from typing import Any

import pytest

from runtime.ids import new_id
from tests.oauth.browsing import Visitor, changed, parameter
from tests.oauth.provider import CLIENT_ID, Person, Provider, bomb

HOUR = 3_600


WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "nonce of another transaction": {"claims": {"nonce": "of-another"}},
    "no nonce": {"claims": {"nonce": None}},
    "another audience": {"claims": {"aud": "another-client"}},
    "several audiences and no azp": {"claims": {"aud": [CLIENT_ID, "another-client"]}},
    "azp of another": {"claims": {"azp": "another-client"}},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "no issuer": {"claims": {"iss": None}},
    "expired": {"claims": {"exp": int(time.time()) - HOUR}},
    "no expiry": {"claims": {"exp": None}},
    "issued tomorrow": {"claims": {"iat": int(time.time()) + 24 * HOUR}},
    "not yet good": {"claims": {"nbf": int(time.time()) + 24 * HOUR}},
    "no subject": {"claims": {"sub": None}},
    "a subject that is no text": {"claims": {"sub": 7}},
    "a subject with a space at its end": {"claims": {"sub": "admin "}},
    "unsigned": {"algorithm": "none"},
    "signed with the public key": {"algorithm": "HS256"},
    "signed with a key of nobody's": {"algorithm": "stranger"},
    "signed in a way that is not published": {"algorithm": "ES256"},
}


@pytest.mark.parametrize("case", WRONG_TOKENS)
def test_an_id_token_that_proves_nothing_opens_nothing(ann: Visitor, acme: Provider, case: str) -> None:
    """O3: nonce, audience, issuer, times and subject are checked; the algorithm is pinned."""
    for name, value in WRONG_TOKENS[case].items():
        setattr(acme.switches, name, value)
    answer = ann.enter("acme")
    assert parameter(answer.headers["location"], "error") == "unable_to_get_user_info"
    assert ann.user() is None


def test_a_nonce_that_was_changed_on_the_way_out_is_noticed(ann: Visitor, acme: Provider) -> None:
    """O1, O3: what comes back is bound to what this browser began."""
    back = ann.consent(changed(ann.begin("acme"), nonce="planted"))
    assert parameter(ann.come_back(back).headers["location"], "error") == "unable_to_get_user_info"


BROKEN_ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "garbage": ({"token_answer": (200, b"<html>")}, "invalid_code"),
    "an error that says 200": ({"token_answer": (200, b'{"error": "bad_verification_code"}')}, "invalid_code"),
    "a redirect": ({"token_answer": (302, b"{}")}, "invalid_code"),
    "a list": ({"token_answer": (200, b"[]")}, "invalid_code"),
    "a deep list": ({"token_answer": (200, b"[" * 200_000)}, "invalid_code"),
    "too much": ({"token_answer": (200, b'{"access_token": "a", "x": "' + b"a" * 2_000_000 + b'"}')}, "invalid_code"),
    "a token without end": (
        {"token_answer": (200, b'{"access_token": "' + b"a" * 100_000 + b'"}')},
        "invalid_code",
    ),
    "a refusal": ({"token_answer": (500, b'{"error": "server_error"}')}, "invalid_code"),
    "no id token": (
        {"token_answer": (200, b'{"access_token": "a", "token_type": "Bearer"}')},
        "unable_to_get_user_info",
    ),
    "too much of a person": (
        {"in_userinfo_only": True, "userinfo": b'{"sub": "' + b"a" * 2_000_000 + b'"}'},
        "unable_to_get_user_info",
    ),
    "too much once inflated": (
        {"in_userinfo_only": True, "userinfo": bomb(50_000_000), "userinfo_gzip": True},
        "unable_to_get_user_info",
    ),
    "somebody else's userinfo": (
        {"in_userinfo_only": True, "userinfo": b'{"sub": "another", "email": "victim@example.com"}'},
        "unable_to_get_user_info",
    ),
}


@pytest.mark.parametrize("case", BROKEN_ANSWERS)
def test_a_broken_answer_ends_cleanly(ann: Visitor, acme: Provider, case: str) -> None:
    """O4: a clean error and no session, whatever the provider sends."""
    switches, word = BROKEN_ANSWERS[case]
    for name, value in switches.items():
        setattr(acme.switches, name, value)
    answer = ann.enter("acme")
    assert parameter(answer.headers["location"], "error") == word
    assert ann.user() is None


def test_an_address_that_only_userinfo_tells_is_found_there(ann: Visitor, acme: Provider) -> None:
    acme.switches.in_userinfo_only = True
    assert ann.enter("acme").headers["location"] == "/in"
    user = ann.user()
    assert user is not None
    assert user["email"] == acme.person.email


def test_an_application_signs_in_with_an_id_token(ann: Visitor, ben: Visitor, acme: Provider) -> None:
    token = acme.id_token(nonce="n-1")
    body = {"provider": "acme", "idToken": {"token": token, "nonce": "n-1"}}
    answer = ann.here.post("/sign-in/social", json=body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"redirect", "token", "user"}
    assert (answer.json()["redirect"], answer.json()["user"]) == (False, ann.user())
    assert answer.json()["user"]["email"] == acme.person.email
    assert ben.enter("acme").headers["location"] == "/in"
    assert ben.user() == ann.user()


@pytest.mark.parametrize(
    ("claims", "nonce"),
    [
        ({"nonce": "n-1"}, "n-2"),
        ({}, "n-1"),
        ({"aud": "another-client"}, ""),
        ({"iss": "https://evil.example"}, ""),
        ({"exp": int(time.time()) - HOUR}, ""),
        ({"iat": int(time.time()) - 2 * HOUR}, ""),
    ],
)
def test_an_id_token_that_is_brought_is_checked_as_well(
    ann: Visitor, acme: Provider, claims: dict[str, Any], nonce: str
) -> None:
    """O3."""
    token = {"token": acme.id_token(**claims)} | ({"nonce": nonce} if nonce else {})
    answer = ann.here.post("/sign-in/social", json={"provider": "acme", "idToken": token})
    assert (answer.status_code, answer.json()) == (401, {"message": "Invalid token", "code": "INVALID_TOKEN"})


def test_what_is_no_id_token_is_refused(ann: Visitor, acme: Provider) -> None:
    for token in ("", "x", "a.b.c", "..", "é.é.é", "a" * 50_000):
        answer = ann.here.post("/sign-in/social", json={"provider": "acme", "idToken": {"token": token}})
        assert answer.status_code in (400, 401), (token[:10], answer.text)
    answer = ann.here.post("/sign-in/social", json={"provider": "gitlab", "idToken": {"token": acme.id_token()}})
    assert (answer.status_code, answer.json()["code"]) == (404, "ID_TOKEN_NOT_SUPPORTED")
    acme.person.email = None
    answer = ann.here.post("/sign-in/social", json={"provider": "acme", "idToken": {"token": acme.id_token()}})
    assert (answer.status_code, answer.json()["code"]) == (401, "USER_EMAIL_NOT_FOUND")


def test_a_link_by_an_id_token_has_its_rules(ann: Visitor, ben: Visitor, acme: Provider, evil: Provider) -> None:
    """A8: an unverified address links nothing, also for somebody who is signed in."""
    ann.enter("acme")
    mine, other = acme.person, Person(new_id(), f"{new_id().lower()}@example.com")

    def link(person: Person, provider: Provider = evil, name: str = "evil") -> tuple[int, object]:
        token = {"token": provider.id_token(person)}
        answer = ann.here.post("/link-social", json={"provider": name, "idToken": token})
        return answer.status_code, answer.json().get("code", answer.json())

    same = Person(new_id(), mine.email)
    assert link(other) == (401, "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED")
    assert link(Person(same.sub, same.email, email_verified=False)) == (401, "LINKING_NOT_ALLOWED")
    assert link(same) == (200, {"url": "", "status": True, "redirect": False})
    assert link(same) == (200, {"url": "", "status": True, "redirect": False})
    evil.person = other
    ben.enter("evil")
    assert link(other) == (409, "SOCIAL_ACCOUNT_ALREADY_LINKED")
    assert len(ann.accounts()) == 2


def test_tokens_that_name_unknown_keys_do_not_make_us_ask_each_time(ann: Visitor, acme: Provider) -> None:
    """Whoever sends made-up tokens must not have us flood the provider."""
    ann.enter("acme")
    acme.counts.clear()
    token = acme.id_token()
    forged = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im1hZGUtdXAifQ." + token.split(".", 1)[1]
    for _ in range(20):
        ann.here.post("/sign-in/social", json={"provider": "acme", "idToken": {"token": forged}})
    assert acme.counts["jwks"] <= 1
