"""Coming in by a provider, and what is refused, over HTTP and all processes."""

from urllib.parse import urlsplit

import httpx
import pytest

from runtime.ids import new_id
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site
from tests.oauth.browsing import Visitor, changed, parameter
from tests.oauth.provider import CLIENT_SECRET, Provider

ERROR = f"{ORIGIN}/api/auth/error"


def refused(answer: httpx.Response) -> str:
    """Return the word that the browser is sent away with; it has no session then."""
    assert answer.status_code == 302
    assert not any("session_token=" in line and "Max-Age=0" not in line for line in cookies(answer))
    return parameter(answer.headers["location"], "error")


def cookies(answer: httpx.Response) -> list[str]:
    return answer.headers.get_list("set-cookie")


def test_a_stranger_signs_up_and_later_signs_in_as_the_same_user(ann: Visitor, ben: Visitor, acme: Provider) -> None:
    """S2: each sign-in opens a session of its own."""
    answer = ann.enter("acme", newUserCallbackURL="/welcome")
    assert (answer.status_code, answer.headers["location"], answer.content) == (302, "/welcome", b"")
    state, session = cookies(answer)
    assert state == "better-auth.state=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    assert session.startswith("better-auth.session_token=")
    assert "Max-Age=604800;" in session
    user = ann.user()
    assert user is not None
    assert (user["email"], user["emailVerified"], user["name"]) == (acme.person.email, True, "Ann")

    assert ben.enter("acme", newUserCallbackURL="/welcome").headers["location"] == "/in"
    assert ben.user() == user
    assert ben.here.cookies["better-auth.session_token"] != ann.here.cookies["better-auth.session_token"]


def test_the_way_out_carries_state_challenge_and_nonce_of_its_own(ann: Visitor, acme: Provider) -> None:
    """O1: state, PKCE verifier and nonce are of one transaction; O2: each provider has a redirect URI of its own."""
    first, second = ann.begin("acme"), ann.begin("acme", loginHint="ann@x.io", scopes=["email", "groups"])
    for name in ("state", "code_challenge", "nonce"):
        assert parameter(first, name) != parameter(second, name) != ""
    assert parameter(first, "code_challenge_method") == "S256"
    assert len(parameter(first, "state")) == 32
    assert parameter(first, "redirect_uri") == f"{ORIGIN}/api/auth/callback/acme"
    assert parameter(ann.begin("evil"), "redirect_uri") == f"{ORIGIN}/api/auth/callback/evil"
    assert parameter(second, "scope") == "openid profile email groups"
    assert parameter(second, "login_hint") == "ann@x.io"


def test_the_state_cookie_is_signed_and_short(ann: Visitor, acme: Provider) -> None:
    answer = ann.here.post("/sign-in/social", json={"provider": "acme", "disableRedirect": True})
    assert answer.json()["redirect"] is False
    assert "location" not in answer.headers
    (line,) = cookies(answer)
    assert line.startswith(f"better-auth.state={parameter(answer.json()['url'], 'state')}.")
    assert line.endswith("; Max-Age=300; Path=/; HttpOnly; SameSite=Lax")


def test_another_browser_cannot_end_a_transaction_and_does_not_spoil_it(
    ann: Visitor, ben: Visitor, acme: Provider
) -> None:
    """O1, O4: the state is bound to the browser that has begun."""
    back = ann.consent(ann.begin("acme", errorCallbackURL="/oops?from=1"))
    answer = ben.come_back(back)
    assert refused(answer) == "state_mismatch"
    assert answer.headers["location"] == "/oops?from=1&error=state_mismatch"
    assert ben.user() is None
    assert ann.come_back(back).headers["location"] == "/in"


def test_a_transaction_ends_once(ann: Visitor, acme: Provider) -> None:
    """O1, O4: a replayed callback opens nothing, and nor does its code with a state of another transaction."""
    back = ann.consent(ann.begin("acme"))
    held = ann.here.cookies["better-auth.state"]
    assert ann.come_back(back).headers["location"] == "/in"
    ann.here.cookies.set("better-auth.state", held)
    assert refused(ann.come_back(back)) == "state_mismatch"
    fresh = ann.begin("acme")
    assert refused(ann.come_back(changed(back, state=parameter(fresh, "state")))) == "invalid_code"


def test_a_code_of_somebody_elses_is_worth_nothing(ann: Visitor, ben: Visitor, acme: Provider) -> None:
    """O4: PKCE binds a code to the transaction that asked for it: injected into another, it is refused."""
    stolen = parameter(ann.consent(ann.begin("acme")), "code")
    mine = ben.consent(ben.begin("acme"))
    assert refused(ben.come_back(changed(mine, code=stolen))) == "invalid_code"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": None}, "state_not_found"),
        ({"state": "x" * 32}, "state_mismatch"),
        ({"state": "short"}, "state_mismatch"),
        ({"code": None}, "no_code"),
        ({"code": "made-up"}, "invalid_code"),
        ({"iss": "https://evil.example"}, "issuer_mismatch"),
        ({"iss": None}, "issuer_missing"),
    ],
)
def test_a_damaged_callback_is_refused_by_its_word(
    ann: Visitor, acme: Provider, change: dict[str, str | None], word: str
) -> None:
    """O2: `iss` is checked (RFC 9207); O4: a clean error, and no session."""
    answer = ann.come_back(changed(ann.consent(ann.begin("acme")), **change))
    assert refused(answer) == word
    assert answer.headers["location"].startswith(f"{ERROR}?error={word}")


def test_a_denied_consent_leads_to_the_error_page_of_the_caller(ann: Visitor, acme: Provider) -> None:
    """O4: the provider's error word and description are passed on, and nothing is opened."""
    acme.switches.denies = True
    answer = ann.enter("acme", errorCallbackURL="/failed")
    assert answer.headers["location"] == ("/failed?error=access_denied&error_description=End-User+aborted+interaction")
    assert refused(answer) == "access_denied"


def test_one_providers_answer_is_not_taken_at_anothers_address(ann: Visitor, acme: Provider, evil: Provider) -> None:
    """O2, mix-up: evil relays the browser to acme, whose code then comes back to evil's address."""
    at_evil = ann.begin("evil")
    relayed = changed(at_evil.replace(evil.issuer, acme.issuer))
    back = ann.consent(relayed)
    assert urlsplit(back).path.endswith("/callback/evil")
    assert refused(ann.come_back(back)) == "issuer_mismatch"
    # Sent on to acme's address by the attacker, it is an answer to a question that was not asked there.
    back = ann.consent(changed(ann.begin("evil").replace(evil.issuer, acme.issuer)))
    assert refused(ann.come_back(back.replace("/callback/evil", "/callback/acme"))) == "state_mismatch"
    assert evil.counts["token"] == 0, "the code was sent to the attacker"


def test_an_unknown_provider_is_no_provider(ann: Visitor) -> None:
    for name in ("github", "nobody", "credential", "a/b", "__proto__", ""):
        answer = ann.here.post("/sign-in/social", json={"provider": name})
        if name:
            assert (answer.status_code, answer.json()["code"]) == (404, "PROVIDER_NOT_FOUND")


@pytest.mark.parametrize("member", ["callbackURL", "errorCallbackURL", "newUserCallbackURL"])
@pytest.mark.parametrize("url", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_way_leads_nowhere_else(ann: Visitor, acme: Provider, member: str, url: str) -> None:
    """C2: where the browser goes afterwards is a path of ours or a trusted origin."""
    assert ann.here.post("/sign-in/social", json={"provider": "acme", member: url}).status_code == 403


def test_a_posted_callback_becomes_a_get(ann: Visitor, acme: Provider) -> None:
    """Apple posts its answer from its own page: neither our cookie nor our origin is there to be checked."""
    back = urlsplit(ann.consent(ann.begin("acme")))
    answer = httpx.post(
        f"{ann.here.base_url}callback/acme".replace("/api/auth//", "/api/auth/"),
        content=back.query,
        headers={"content-type": "application/x-www-form-urlencoded", "origin": "https://appleid.apple.com"},
    )
    assert (answer.status_code, answer.content) == (302, b"")
    assert answer.headers["location"].startswith(f"{ORIGIN}/api/auth/callback/acme?code=")
    assert ann.come_back(answer.headers["location"]).headers["location"] == "/in"


def test_no_code_and_no_token_is_in_a_log(ann: Visitor, acme: Provider, site: Site) -> None:
    """O4, O5: what is secret in a transaction is in no log, and what providers gave is sealed in the database."""
    url = ann.begin("acme")
    back = ann.consent(url)
    ann.come_back(back)
    account = ann.account("acme")
    tokens = ann.here.post("/refresh-token", json={"accountId": account["id"]}).json()
    ann.come_back(changed(ann.consent(ann.begin("acme")), code="made-up-code"))
    secrets = [parameter(back, "code"), parameter(url, "nonce"), parameter(url, "state"), "made-up-code"]
    secrets += [CLIENT_SECRET, tokens["accessToken"], tokens["refreshToken"], tokens["idToken"]]
    for secret in secrets:
        assert secret
        assert secret not in site.identity.output()
    stored = b"".join(path.read_bytes() for path in site.database.parent.glob("identity.db*"))
    assert account["accountId"].encode() in stored
    for secret in secrets:
        assert secret.encode() not in stored


def test_a_banned_user_does_not_come_in_by_a_provider(ann: Visitor, ben: Visitor, acme: Provider, site: Site) -> None:
    """A7: every door obeys the ban, and the callback says so as the original does."""
    ann.enter("acme")
    user = ann.user()
    assert user is not None
    site.execute("UPDATE users SET banned = 1 WHERE id = ?", user["id"])
    answer = ben.enter("acme")
    assert refused(answer) == "BANNED_USER"
    assert parameter(answer.headers["location"], "error_description").startswith("You have been banned")
    token = acme.id_token()
    answer = ben.here.post("/sign-in/social", json={"provider": "acme", "idToken": {"token": token}})
    assert (answer.status_code, answer.json()["code"]) == (403, "BANNED_USER")
    site.execute("UPDATE users SET banned = 0 WHERE id = ?", user["id"])
    assert ben.enter("acme").headers["location"] == "/in"


def test_an_address_that_the_provider_has_not_verified_opens_nobodys_account(
    ann: Visitor, ben: Visitor, acme: Provider, site: Site
) -> None:
    """A8: an unverified address never links to an existing account, and nor does a verified one to an unverified."""
    email = acme.person.email
    sign_up = {"name": "Ann", "email": email, "password": PASSWORD}
    assert ann.here.post("/sign-up/email", json=sign_up).status_code == 200
    assert refused(ben.enter("acme")) == "account_not_linked"  # ours is not verified: anybody may have signed up so
    site.execute("UPDATE users SET email_verified = 1 WHERE email = ?", email)
    acme.person.email_verified = False
    assert refused(ben.enter("acme")) == "account_not_linked"
    acme.person.email_verified = True
    assert ben.enter("acme").headers["location"] == "/in"
    assert sorted(each["providerId"] for each in ben.accounts()) == ["acme", "credential"]


def test_who_may_sign_up_is_the_operators_to_say(ann: Visitor, acme: Provider) -> None:
    assert refused(ann.enter("gitlab")) == "signup_disabled"
    assert ann.enter("gitlab", requestSignUp=True).headers["location"] == "/in"
    assert ann.account("gitlab")["accountId"] == acme.person.sub
    assert ann.account("gitlab")["scopes"] == ["read_user"]


def test_a_person_without_an_address_is_told_so(ann: Visitor, acme: Provider) -> None:
    acme.person.email = None
    assert refused(ann.enter("acme")) == "email_not_found"
    acme.person.email = "no address"
    assert refused(ann.enter("acme")) == "email_not_found"


def test_an_identity_is_issuer_and_subject_never_the_address(ann: Visitor, ben: Visitor, acme: Provider) -> None:
    """O3: whoever changes the address at the provider is still the same user here."""
    ann.enter("acme")
    user = ann.user()
    assert user is not None
    acme.person.email = f"{new_id().lower()}@example.com"
    ben.enter("acme")
    assert ben.user() == user
