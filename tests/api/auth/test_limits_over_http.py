"""Limits as a client meets them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, new_email, sign_up
from tests.harness.processes import Process

TOO_MANY = {"message": "Too many requests. Please try again later."}


@pytest.fixture(scope="module")
def limiting(site: Site) -> Iterator[Process]:
    """A gateway that limits, behind a proxy on this machine."""
    with site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_RATE_LIMIT="on", TRIVET_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def limited(limiting: Process) -> Iterator[httpx.Client]:
    with browser(limiting) as opened:
        yield opened


def seen_from(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


def test_the_fourth_sign_in_from_an_address_is_refused_whatever_it_says(limited: httpx.Client) -> None:
    """H6: before routing, origin and body are looked at; a forged hop does not help."""
    body = {"email": new_email(), "password": PASSWORD}
    for _ in range(3):
        assert limited.post("/sign-in/email", json=body, headers=seen_from("192.0.2.1")).status_code == 401
    evil = seen_from("203.0.113.9, 192.0.2.1") | {"origin": "https://evil.com"}
    answer = limited.post("/sign-in/email", content=b"{", headers=evil)
    assert (answer.status_code, answer.json()) == (429, TOO_MANY)
    assert 1 <= int(answer.headers["x-retry-after"]) <= 10
    assert answer.headers["retry-after"] == answer.headers["x-retry-after"]


def test_an_ipv6_client_is_its_whole_network(limited: httpx.Client) -> None:
    """H6."""
    body = {"email": new_email(), "password": PASSWORD}
    statuses = [
        limited.post("/sign-in/email", json=body, headers=seen_from(f"2001:db8:1:2::{number:x}")).status_code
        for number in range(1, 5)
    ]
    assert statuses == [401, 401, 401, 429]
    assert limited.post("/sign-in/email", json=body, headers=seen_from("2001:db8:1:3::1")).status_code == 401


def test_the_eleventh_try_for_an_account_is_refused_even_with_the_right_password(limited: httpx.Client) -> None:
    """A4: from another address each time; the owner, who has signed in from home before, is not locked out."""
    email, home = new_email(), seen_from("198.51.100.7")
    sign_up(limited, email)
    right, wrong = {"email": email, "password": PASSWORD}, {"email": email, "password": "not the password"}
    assert limited.post("/sign-in/email", json=right, headers=home).status_code == 200
    limited.cookies.clear()
    for number in range(9):  # the first try was the owner's
        tried = limited.post("/sign-in/email", json=wrong, headers=seen_from(f"203.0.113.{number}"))
        assert tried.status_code == 401
    refused = limited.post("/sign-in/email", json=right, headers=seen_from("203.0.113.200"))
    assert (refused.status_code, refused.json()) == (429, TOO_MANY)
    assert int(refused.headers["retry-after"]) > 0
    assert limited.post("/sign-in/email", json=right, headers=home).status_code == 200


def test_without_limits_nobody_is_refused_and_passwords_can_be_tried_for_ever(client: httpx.Client) -> None:
    """A4 with the protection off: the damage that the limits prevent."""
    email = new_email()
    sign_up(client, email)
    client.cookies.clear()
    wrong = {"email": email, "password": "not the password"}
    assert {client.post("/sign-in/email", json=wrong).status_code for _ in range(12)} == {401}
    assert client.post("/sign-in/email", json={"email": email, "password": PASSWORD}).status_code == 200


def test_a_stolen_session_tries_ten_passwords_and_no_more(limited: httpx.Client) -> None:
    """A4, S7: the routes that check a password count together, from whatever address, also the right one."""
    sign_up(limited)
    wrong = "not the password"
    ways = (
        ("/verify-password", {"password": wrong}),
        ("/delete-user", {"password": wrong}),
        ("/change-password", {"currentPassword": wrong, "newPassword": "another good one"}),
    )
    for number in range(10):
        path, body = ways[number % 3]
        tried = limited.post(path, json=body, headers=seen_from(f"203.0.113.{number}"))
        assert (tried.status_code, tried.json()["code"]) == (400, "INVALID_PASSWORD")
    for path, body in (*ways, ("/verify-password", {"password": PASSWORD})):
        refused = limited.post(path, json=body, headers=seen_from("203.0.113.200"))
        assert (refused.status_code, refused.json()) == (429, TOO_MANY)


def test_strangers_with_a_stolen_session_do_not_keep_the_owner_from_changing_the_password(
    limited: httpx.Client,
) -> None:
    """A4: who has signed in from home has tries of their own there."""
    email, home = new_email(), seen_from("198.51.100.8")
    sign_up(limited, email)
    assert limited.post("/sign-in/email", json={"email": email, "password": PASSWORD}, headers=home).status_code == 200
    for number in range(11):
        tried = limited.post("/verify-password", json={"password": "x"}, headers=seen_from(f"203.0.113.{number}"))
    assert tried.status_code == 429
    body = {"currentPassword": PASSWORD, "newPassword": "another good one"}
    assert limited.post("/change-password", json=body, headers=home).status_code == 200


def test_whatever_is_no_endpoint_is_counted_as_one_path(limited: httpx.Client) -> None:
    """H6: made-up paths give nobody a count, or memory, of their own."""
    home = seen_from("192.0.2.77")
    statuses = [limited.get(f"/made-up-{number}", headers=home).status_code for number in range(101)]
    assert statuses == [404] * 100 + [429]
    assert limited.get("/ok", headers=home).status_code == 200


def test_without_limits_a_stolen_session_guesses_for_ever(client: httpx.Client) -> None:
    """A4 with the protection off."""
    sign_up(client)
    assert {client.post("/verify-password", json={"password": "x"}).status_code for _ in range(12)} == {400}
