"""A slow provider: every RPC that waits for one has the deadline that its .proto declares."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, Site, running_site
from tests.conftest import Engines
from tests.harness.processes import Process
from tests.harness.waiting import in_time
from tests.oauth.browsing import Visitor, parameter, visitor
from tests.oauth.conftest import named
from tests.oauth.provider import Provider

SLOW = 3.0
TIMEOUT_SECONDS = 40.0


@pytest.fixture(scope="module")
def site(
    engine: Engines, providers: tuple[Provider, Provider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site that has not read anything of the providers yet."""
    acme, evil = providers
    folder = tmp_path_factory.mktemp("slow")
    issuers = {"ACME": acme.issuer, "EVIL": evil.issuer, "LATE": acme.issuer}
    settings = {name: value for each in issuers.items() for name, value in named(*each).items()}
    settings |= {"TRIVET_BASE_URL": ORIGIN}
    with running_site(folder, engine.get("valkey").url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(site: Site) -> Iterator[Process]:
    with site.gateway(TRIVET_BASE_URL=ORIGIN) as running:
        yield running


@pytest.fixture
def ann(gateway: Process) -> Iterator[Visitor]:
    visiting = visitor(gateway)
    with visiting.here, visiting.there:
        visiting.here.timeout = httpx.Timeout(TIMEOUT_SECONDS)
        yield visiting


def timed(call: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_a_provider_that_takes_three_seconds_for_each_answer_still_signs_in(ann: Visitor, acme: Provider) -> None:
    """Metadata; then the code and the keys; then a refresh and who somebody is. Usual calls have two seconds."""
    acme.switches.seconds, acme.switches.lifetime = SLOW, 1
    page, took = timed(lambda: ann.here.post("/sign-in/social", json={"provider": "acme", "callbackURL": "/in"}))
    assert page.status_code == 200, page.text
    assert took >= SLOW
    answer, took = timed(lambda: ann.come_back(ann.consent(page.json()["url"])))
    assert answer.headers["location"] == "/in"
    assert took >= 2 * SLOW
    assert ann.user() is not None
    account = {"accountId": ann.account("acme")["id"]}
    for call, least in (
        (lambda: ann.here.post("/get-access-token", json=account), SLOW),
        (lambda: ann.here.post("/refresh-token", json=account), SLOW),
        (lambda: ann.here.get("/account-info", params=account), 2 * SLOW),
    ):
        answer, took = timed(call)
        assert answer.status_code == 200, answer.text
        assert took >= least


def test_a_slow_provider_believes_an_id_token_too(ann: Visitor, evil: Provider) -> None:
    evil.switches.seconds = SLOW
    body = {"provider": "evil", "idToken": {"token": evil.id_token()}}
    answer, took = timed(lambda: ann.here.post("/sign-in/social", json=body))
    assert answer.status_code == 200, answer.text
    assert took >= 2 * SLOW


def test_a_provider_that_takes_longer_than_the_limit_ends_at_the_limit(ann: Visitor, acme: Provider) -> None:
    """One answer has five seconds; the browser is sent on with a word, and the line does not go dead."""
    back = ann.consent(ann.begin("acme", errorCallbackURL="/no"))
    acme.switches.token_hangs = True
    answer, took = timed(lambda: ann.come_back(back))
    assert answer.status_code == 302
    assert parameter(answer.headers["location"], "error") == "invalid_code"
    in_time(took, 4.5, 15)


def test_answers_that_take_too_long_together_end_before_the_deadline(ann: Visitor, acme: Provider) -> None:
    """The code, the keys and the userinfo have 13 of the call's 15 seconds. Past the 15 there would be no redirect."""
    acme.switches.in_userinfo_only = True
    back = ann.consent(ann.begin("late", errorCallbackURL="/no"))
    acme.switches.seconds = 4.8
    answer, took = timed(lambda: ann.come_back(back))
    assert answer.status_code == 302
    assert parameter(answer.headers["location"], "error") == "unable_to_get_user_info"
    in_time(took, 12.5, 45)
