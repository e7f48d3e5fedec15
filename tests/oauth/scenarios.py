"""What must hold with any OpenID provider that keeps to the standards: run against the tests' own and a certified one.

Each takes two visitors and two providers, which are set up as `acme` and `evil`. What is wrong is put there on the way,
where an attacker stands; what only a broken provider does is tested with the tests' own alone.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol
from urllib.parse import urlsplit

from tests.oauth.browsing import Visitor, changed, number, parameter
from tests.oauth.provider import Person


class OpenId(Protocol):
    """A running provider."""

    issuer: str

    def become(self, person: Person) -> None:
        """Have this person be signed in there from now on."""

    def deny(self) -> None:
        """Have the person refuse from now on, until they are another."""


def stranger() -> Person:
    """Return somebody whom nobody knows."""
    sub = f"scenario-{number()}"
    return Person(sub, f"{sub}@example.com")


def word(visitor: Visitor, url: str) -> str:
    """Return what the callback is refused with; the visitor is then nobody here."""
    answer = visitor.come_back(url)
    assert answer.status_code == 302
    assert visitor.user() is None
    return parameter(answer.headers["location"], "error")


def a_stranger_signs_up_and_in_again(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    acme.become(person := stranger())
    assert ann.enter("acme", newUserCallbackURL="/welcome").headers["location"] == "/welcome"
    assert ben.enter("acme", newUserCallbackURL="/welcome").headers["location"] == "/in"
    user = ann.user()
    assert user is not None
    assert (user["email"], user["emailVerified"], user["name"]) == (person.email, True, person.name)
    assert ben.user() == user


def tokens_are_refreshed_and_rotated(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """The provider ends all tokens if it is sent a spent refresh token: then the last call would fail."""
    acme.become(person := stranger())
    ann.enter("acme")
    named = {"accountId": ann.account("acme")["id"]}
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: ann.here.post("/refresh-token", json=named), range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
    token = ann.here.post("/get-access-token", json=named).json()
    assert token["accessToken"] in {answer.json()["accessToken"] for answer in answers}
    info = ann.here.get("/account-info", params=named).json()
    assert (info["user"]["email"], info["account"]["accountId"]) == (person.email, person.sub)


def a_denied_consent_is_told(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O4."""
    acme.become(stranger())
    acme.deny()
    back = ann.consent(ann.begin("acme", errorCallbackURL="/no"))
    assert word(ann, back) == "access_denied"


def a_code_is_redeemed_once(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O1, O4: a replayed code is refused, with its own state and with another."""
    acme.become(stranger())
    back = ann.consent(ann.begin("acme"))
    assert ann.come_back(back).headers["location"] == "/in"
    ann.here.post("/sign-out")
    assert word(ann, back) == "state_mismatch"
    again = parameter(ann.begin("acme"), "state")
    assert word(ann, changed(back, state=again)) == "invalid_code"


def a_stolen_code_is_worth_nothing(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O1, O4: PKCE."""
    acme.become(stranger())
    stolen = parameter(ann.consent(ann.begin("acme")), "code")
    mine = ben.consent(ben.begin("acme"))
    assert word(ben, changed(mine, code=stolen)) == "invalid_code"


def another_browser_ends_nothing(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O1, O4."""
    acme.become(stranger())
    back = ann.consent(ann.begin("acme"))
    assert word(ben, back) == "state_mismatch"
    assert word(ben, changed(back, state=None)) == "state_not_found"
    assert ann.come_back(back).headers["location"] == "/in"


def a_planted_nonce_is_noticed(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O1, O3."""
    acme.become(stranger())
    assert word(ann, ann.consent(changed(ann.begin("acme"), nonce="planted"))) == "unable_to_get_user_info"


def an_answer_of_another_issuer_is_refused(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O2: RFC 9207, and an address for each provider."""
    acme.become(stranger())
    back = ann.consent(ann.begin("acme"))
    assert parameter(back, "iss") == acme.issuer
    assert word(ann, changed(back, iss=evil.issuer)) == "issuer_mismatch"
    assert word(ann, changed(ann.consent(ann.begin("acme")), iss=None)) == "issuer_missing"
    relayed = ann.consent(ann.begin("evil").replace(evil.issuer, acme.issuer))
    assert urlsplit(relayed).path.endswith("/callback/evil")
    assert word(ann, relayed) == "issuer_mismatch"
    relayed = ann.consent(ann.begin("evil").replace(evil.issuer, acme.issuer))
    assert word(ann, relayed.replace("/callback/evil", "/callback/acme")) == "state_mismatch"


def the_same_subject_elsewhere_is_somebody_else(ann: Visitor, ben: Visitor, acme: OpenId, evil: OpenId) -> None:
    """O3: identity is issuer and subject."""
    acme.become(person := stranger())
    evil.become(Person(person.sub, stranger().email))
    ann.enter("acme")
    ben.enter("evil")
    mine, theirs = ann.user(), ben.user()
    assert mine is not None
    assert theirs is not None
    assert mine["id"] != theirs["id"]


Scenario = Callable[[Visitor, Visitor, OpenId, OpenId], None]
SCENARIOS: Mapping[str, Scenario] = {
    scenario.__name__: scenario
    for scenario in (
        a_stranger_signs_up_and_in_again,
        tokens_are_refreshed_and_rotated,
        a_denied_consent_is_told,
        a_code_is_redeemed_once,
        a_stolen_code_is_worth_nothing,
        another_browser_ends_nothing,
        a_planted_nonce_is_noticed,
        an_answer_of_another_issuer_is_refused,
        the_same_subject_elsewhere_is_somebody_else,
    )
}
