"""Linked accounts: listing and unlinking them, linking another, and the tokens of their providers."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from runtime.ids import new_id
from tests.api.auth.conftest import PASSWORD, Site
from tests.oauth.browsing import Visitor, parameter
from tests.oauth.provider import Provider

DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
SELECTING = [("POST", "/get-access-token"), ("POST", "/refresh-token"), ("GET", "/account-info")]


def ask(ann: Visitor, method: str, path: str, values: Mapping[str, object]) -> httpx.Response:
    """Ask with a body, or where there is none with a query."""
    if method == "GET":
        return ann.here.get(path, params={name: str(value) for name, value in values.items()})
    return ann.here.request(method, path, json=values)


def test_accounts_are_listed_without_their_tokens(ann: Visitor, acme: Provider) -> None:
    """O5: what providers gave is in no list."""
    ann.enter("acme")
    (account,) = ann.accounts()
    user = ann.user()
    assert user is not None
    assert set(account) == {"id", "accountId", "providerId", "userId", "createdAt", "updatedAt", "scopes"}
    assert (account["providerId"], account["accountId"], account["userId"]) == ("acme", acme.person.sub, user["id"])
    assert account["scopes"] == ["openid", "profile", "email"]
    v1 = httpx.get(
        f"{ann.here.base_url}".replace("/api/auth/", "/v1/accounts"),
        headers={"cookie": f"better-auth.session_token={ann.here.cookies['better-auth.session_token']}"},
    )
    assert v1.status_code == 200
    assert "oken" not in v1.text.replace("nextPageToken", "")
    assert [each["id"] for each in v1.json()["accounts"]] == [account["id"]]


def test_an_account_is_linked_and_unlinked_but_never_the_last(ann: Visitor, acme: Provider, evil: Provider) -> None:
    ann.enter("acme")
    evil.person.email = acme.person.email
    answer = ann.link("evil")
    assert answer.headers["location"] == "/in"
    assert [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")] == ["better-auth.state"]
    first, second = ann.accounts()
    for wrong in (new_id(), second["accountId"], "evil"):
        answer = ann.here.post("/unlink-account", json={"accountId": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "ACCOUNT_NOT_FOUND")
    assert ann.here.post("/unlink-account", json={"accountId": second["id"]}).json() == {"status": True}
    answer = ann.here.post("/unlink-account", json={"accountId": first["id"]})
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "You can't unlink your last account",
        "code": "FAILED_TO_UNLINK_LAST_ACCOUNT",
    }


def test_a_link_has_its_rules(ann: Visitor, ben: Visitor, acme: Provider, evil: Provider) -> None:
    """A8."""
    ann.enter("acme")
    ben.enter("evil")

    def word() -> str:
        return parameter(ann.link("evil", errorCallbackURL="/no").headers["location"], "error")

    assert word() == "email_does_not_match"
    evil.person.email = acme.person.email
    assert word() == "account_already_linked_to_different_user"
    evil.person.sub = new_id()
    evil.person.email_verified = False
    assert word() == "unable_to_link_account"
    evil.person.email_verified = True
    assert word() == ""
    assert word() == "", "linking it again renews its tokens"
    assert len(ann.accounts()) == 2


def test_a_link_needs_the_session_that_asked_for_it(ann: Visitor, acme: Provider, evil: Provider) -> None:
    """O1: signing out between the click and the callback takes the wish back."""
    ann.enter("acme")
    evil.person.email = acme.person.email
    back = ann.consent(ann.begin("evil", "/link-social"))
    ann.here.post("/sign-out")
    assert parameter(ann.come_back(back).headers["location"], "error") == "unable_to_link_account"
    ann.enter("acme")
    assert len(ann.accounts()) == 1


def test_strangers_link_and_list_nothing(ann: Visitor, acme: Provider) -> None:
    for path in ("/link-social", "/unlink-account"):
        body = {"provider": "acme", "accountId": "x"}
        assert ann.here.post(path, json=body).json() == {"message": "Unauthorized", "code": "UNAUTHORIZED"}
    assert ann.here.get("/list-accounts").status_code == 401


@pytest.mark.parametrize(("method", "path"), SELECTING)
def test_a_refusal_to_strangers_has_no_body_there(ann: Visitor, method: str, path: str) -> None:
    answer = ask(ann, method, path, {"accountId": new_id()})
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("method", "path"), SELECTING)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Invalid input"),
        ({"providerId": "acme"}, "Invalid input"),
        ({"accountId": "x", "providerId": "acme"}, 'Unrecognized key: "providerId"'),
        ({"accountId": "x", "b": "1", "a": "2"}, 'Unrecognized keys: "b", "a"'),
        ({"useAccountCookie": False}, "Invalid input"),
        ({"userId": "x"}, "Invalid input"),
    ],
)
def test_an_account_is_named_in_one_way_alone(
    ann: Visitor, method: str, path: str, values: dict[str, object], said: str
) -> None:
    """What clients up to 1.6 send is refused, also to strangers."""
    answer = ask(ann, method, path, values)
    where = "query" if method == "GET" else "body"
    assert answer.status_code == 400
    assert answer.json() == {"message": f"[{where}] {said}", "code": "VALIDATION_ERROR"}


def test_an_account_that_is_not_there_is_not_found(ann: Visitor, ben: Visitor, acme: Provider, evil: Provider) -> None:
    """O5: nobody has another's tokens."""
    ann.enter("acme")
    ben.enter("evil")
    theirs = ben.account("evil")["id"]
    for method, path in SELECTING:
        for values in ({"accountId": theirs}, {"accountId": theirs, "userId": "x"}, {"accountId": "é"}):
            answer = ask(ann, method, path, values)
            assert (answer.status_code, answer.json()["code"]) == (400, "ACCOUNT_NOT_FOUND")
    for path in ("/get-access-token", "/refresh-token"):
        answer = ann.here.post(path, json={"useAccountCookie": True})
        assert answer.json() == {"message": "Account not found", "code": "ACCOUNT_NOT_FOUND"}


def test_a_password_is_no_provider(ann: Visitor) -> None:
    ann.here.post("/sign-up/email", json={"name": "A", "email": f"{new_id()}@x.io", "password": PASSWORD})
    named: dict[str, object] = {"accountId": ann.account("credential")["id"]}
    said = {"message": "Provider credential is not supported.", "code": "PROVIDER_NOT_SUPPORTED"}
    assert ann.here.post("/get-access-token", json=named).json() == said
    assert ann.here.post("/refresh-token", json=named).json() == said
    assert ask(ann, "GET", "/account-info", named).json()["code"] == "PROVIDER_NOT_CONFIGURED"


def test_an_access_token_is_given_to_its_owner(ann: Visitor, acme: Provider) -> None:
    ann.enter("acme")
    named: dict[str, object] = {"accountId": ann.account("acme")["id"]}
    told = ann.here.post("/get-access-token", json=named).json()
    assert set(told) == {"accessToken", "accessTokenExpiresAt", "scopes", "idToken"}
    assert told["scopes"] == ["openid", "profile", "email"]
    assert acme.counts["refresh"] == 0
    info = ask(ann, "GET", "/account-info", named).json()
    assert info["user"] == {"name": "Ann", "email": acme.person.email, "image": None, "emailVerified": True}
    assert info["data"]["sub"] == acme.person.sub
    assert info["account"] == {**named, "id": named["accountId"], "providerId": "acme", "accountId": acme.person.sub}


def test_a_token_that_is_about_to_expire_is_refreshed(ann: Visitor, acme: Provider) -> None:
    acme.switches.lifetime = 4
    ann.enter("acme")
    named = {"accountId": ann.account("acme")["id"]}
    acme.switches.lifetime = 3_600
    first = ann.here.post("/get-access-token", json=named).json()
    assert acme.counts["refresh"] == 1
    assert ann.here.post("/get-access-token", json=named).json() == first
    assert acme.counts["refresh"] == 1


def test_a_refresh_answers_all_that_is_known(ann: Visitor, acme: Provider) -> None:
    ann.enter("acme")
    account = ann.account("acme")
    before = ann.here.post("/get-access-token", json={"accountId": account["id"]}).json()
    told = ann.here.post("/refresh-token", json={"accountId": account["id"]}).json()
    members = "accessToken refreshToken accessTokenExpiresAt refreshTokenExpiresAt scope idToken providerId accountId"
    assert set(told) == set(members.split())
    assert told["accessToken"] != before["accessToken"]
    assert told["idToken"] == before["idToken"]
    assert (told["scope"], told["refreshTokenExpiresAt"]) == ("openid,profile,email", None)
    assert (told["providerId"], told["accountId"]) == ("acme", account["id"])
    after = ann.here.post("/get-access-token", json={"accountId": account["id"]}).json()
    assert after["accessToken"] == told["accessToken"]


def test_a_refresh_that_the_provider_refuses_is_told(ann: Visitor, acme: Provider) -> None:
    acme.switches.lifetime = 4
    acme.switches.refuses_refresh = True
    ann.enter("acme")
    named = {"accountId": ann.account("acme")["id"]}
    for path, code in (
        ("/get-access-token", "FAILED_TO_GET_ACCESS_TOKEN"),
        ("/refresh-token", "FAILED_TO_REFRESH_ACCESS_TOKEN"),
    ):
        answer = ann.here.post(path, json=named)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_callers_at_once_refresh_once(ann: Visitor, acme: Provider) -> None:
    """A refresh token that comes twice is a stolen one to a provider that rotates them: it would end them all."""
    acme.switches.lifetime = 4
    ann.enter("acme")
    named = {"accountId": ann.account("acme")["id"]}
    acme.switches.lifetime = 3_600
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ann.here.post("/get-access-token", json=named).json(), range(8)))
    assert len({each["accessToken"] for each in found}) == 1
    assert (acme.counts["refresh"], acme.reused) == (1, [])


def test_a_token_without_a_refresh_token_stays_as_it_is(ann: Visitor, acme: Provider, site: Site) -> None:
    ann.enter("acme")
    account = ann.account("acme")
    site.execute("UPDATE accounts SET refresh_token = NULL WHERE id = ?", account["id"])
    answer = ann.here.post("/refresh-token", json={"accountId": account["id"]})
    assert answer.json() == {"message": "Refresh token not found", "code": "REFRESH_TOKEN_NOT_FOUND"}
    assert ann.here.post("/get-access-token", json={"accountId": account["id"]}).status_code == 200


def test_a_body_is_checked_as_the_original_checks_it(ann: Visitor) -> None:
    body = {
        "provider": 1,
        "scopes": ["a", 2],
        "idToken": {"token": 3, "expiresAt": "x", "user": {"name": 4}},
        "additionalParams": {"x": 5},
        "disableRedirect": "yes",
    }
    said = ann.here.post("/sign-in/social", json=body).json()["message"]
    assert said.split("; ") == [
        "[body.provider] Invalid input",
        "[body.disableRedirect] Invalid input: expected boolean, received string",
        "[body.idToken.token] Invalid input: expected string, received number",
        "[body.idToken.expiresAt] Invalid input: expected number, received string",
        "[body.idToken.user.name] Invalid input: expected object, received number",
        "[body.scopes.1] Invalid input: expected string, received number",
        "[body.additionalParams.x] Invalid input: expected string, received number",
    ]
    body = {"provider": "acme", "additionalParams": {"state": "mine"}}
    said = ann.here.post("/sign-in/social", json=body).json()["message"]
    assert said.startswith("[body.additionalParams] additionalParams cannot include reserved OAuth parameters: state,")
