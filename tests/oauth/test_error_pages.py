"""Where a person ends whose sign-in or link fails while the front end has another origin than the gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, Site, running_site
from tests.conftest import Engines
from tests.oauth.browsing import Visitor
from tests.oauth.conftest import named, visiting_of
from tests.oauth.provider import Provider

APP = "https://app.example.com"
A_BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@contextmanager
def front_door(site: Site, **extra: str) -> Iterator[httpx.Client]:
    """Run a gateway whose front end has another origin; yield a browser that follows our redirects alone."""
    settings = {"TRIVET_BASE_URL": ORIGIN, "TRIVET_TRUSTED_ORIGINS": f"myapp://,https://*.example.org,{APP}", **extra}
    with (
        site.gateway(**settings) as running,
        httpx.Client(base_url=f"http://{running.address}", headers=A_BROWSER, timeout=20) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[httpx.Client]:
    with front_door(site) as opened:
        yield opened


def followed(browser: httpx.Client, location: str) -> httpx.Response:
    """Follow redirects that stay on our own host, as `location` has it."""
    for _ in range(5):
        answer = browser.get(location.removeprefix(ORIGIN))
        location = answer.headers.get("location", "")
        if not location or not location.startswith(("/", ORIGIN)):
            return answer
    raise AssertionError("a circle of redirects")


def refused_at(acme: Provider, ann: Visitor) -> str:
    """Go to the provider, refuse there, and come back; return where we send the browser."""
    acme.switches.denies = True
    location: str = ann.enter("acme").headers["location"]
    return location


def test_a_person_who_refuses_at_the_provider_reads_why_and_finds_the_way_back(
    browser: httpx.Client, ann: Visitor, acme: Provider
) -> None:
    answer = followed(browser, refused_at(acme, ann))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "access_denied" in answer.text
    assert "canceled" in answer.text
    assert f'href="{APP}"' in answer.text


def test_a_program_is_still_answered_in_json(browser: httpx.Client) -> None:
    answer = browser.get("/?error=access_denied", headers={"accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/auth/verify-email?token=bad", 401, "INVALID_TOKEN"),
        ("/api/auth/verify-email?token=bad&callbackURL=/", 200, "INVALID_TOKEN"),
        ("/api/auth/reset-password/bad?callbackURL=/", 200, "INVALID_TOKEN"),
        ("/api/auth/reset-password/bad?callbackURL=", 200, "INVALID_TOKEN"),
        ("/api/auth/reset-password/bad?callbackURL=https://e.vil", 403, "INVALID_CALLBACK_URL"),
        ("/api/auth/delete-user/callback?token=bad&callbackURL=/", 404, "FAILED_TO_GET_USER_INFO"),
        ("/api/auth/callback/acme", 200, "state_not_found"),
        ("/api/auth/error?error=a'b-c_9", 200, "a&#x27;b-c_9"),
        ("/deep/in/the/app?error=account_not_linked", 404, "account_not_linked"),
    ],
)
def test_a_bad_link_ends_on_a_page_with_its_code(browser: httpx.Client, path: str, status: int, code: str) -> None:
    answer = followed(browser, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f"<code>{code}</code>" in answer.text
    assert f'href="{APP}"' in answer.text


def test_a_program_that_follows_a_bad_link_is_answered_as_the_original_answers(browser: httpx.Client) -> None:
    answer = browser.get("/api/auth/verify-email?token=bad", headers={"accept": "*/*"})
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")


def test_a_link_that_did_its_work_ends_on_a_page_too(browser: httpx.Client) -> None:
    """A mail's link without a callbackURL leads to `/`."""
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "close this page" in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "error=<script>alert(1)</script>",
        "error=access_denied&error_description=<b>Call+0900-1</b>",
        f"error={'a' * 5_000}",
        "error=",
        "error=a&error=%00",
    ],
)
def test_a_link_makes_the_page_say_nothing_of_its_own(browser: httpx.Client, query: str) -> None:
    answer = browser.get(f"/?{query}")
    assert answer.status_code == 200
    for text in ("<script", "<b>", "0900", "a" * 100):
        assert text not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/auth/nothing", "/api/nothing", "/webhooks/nothing"])
def test_an_address_of_programs_is_no_page(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert not answer.headers.get("content-type", "").startswith("text/html")


def test_the_products_own_page_is_told_of_a_bad_link(site: Site) -> None:
    page = "https://app.example.com/failed?from=auth#top"
    with front_door(site, TRIVET_ERROR_URL=page) as browser:
        answer = browser.get("/api/auth/error?error=access_denied&error_description=no%20way")
        expected = "https://app.example.com/failed?from=auth&error=access_denied&error_description=no+way#top"
        assert (answer.status_code, answer.headers["location"]) == (302, expected)
        answer = followed(browser, "/api/auth/reset-password/bad?callbackURL=")
        assert answer.headers["location"] == "https://app.example.com/failed?from=auth&error=INVALID_TOKEN#top"


def test_identity_sends_a_failed_sign_in_straight_to_the_products_page(
    engine: Engines, acme: Provider, tmp_path: Path
) -> None:
    """As the original does with `onAPIError.errorURL`."""
    settings = {"TRIVET_BASE_URL": ORIGIN, "TRIVET_ERROR_URL": f"{APP}/failed", **named("ACME", acme.issuer)}
    with (
        running_site(tmp_path, engine.get("valkey").url, **settings) as own,
        own.gateway(TRIVET_BASE_URL=ORIGIN) as gateway,
        visiting_of(gateway) as visitor,
    ):
        assert refused_at(acme, visitor).startswith(f"{APP}/failed?error=access_denied&")
