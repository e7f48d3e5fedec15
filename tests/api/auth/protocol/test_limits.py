"""Limits as a client meets them."""

import itertools
from collections.abc import Iterator

import httpx
import pytest

from gateway.sessions.token_guesses import LIMIT
from runtime.ids import new_id
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, new_email, sign_up
from tests.harness.processes import Process, process
from tests.harness.waiting import eventually

browsers = itertools.count(100)
TOO_MANY = {"message": "Too many requests. Please try again later."}


@pytest.fixture(scope="module")
def limiting(site: Site) -> Iterator[Process]:
    """A gateway that limits, behind a proxy on this machine."""
    with site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_RATE_LIMIT="on", TRIVET_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def limited(limiting: Process) -> Iterator[httpx.Client]:
    """A browser at an address of its own, unless a request says another."""
    with browser(limiting) as opened:
        opened.headers.update(seen_from(f"192.0.2.{next(browsers)}"))
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


@pytest.fixture(scope="module")
def second(site: Site) -> Iterator[Process]:
    """Another gateway before the same cache."""
    with site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_RATE_LIMIT="on", TRIVET_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


def signs_in_wrongly(client: httpx.Client, address: str, email: str = "") -> int:
    """Return the status of one try of a password from an address."""
    body = {"email": email or new_email(), "password": "not the password"}
    return client.post("/sign-in/email", json=body, headers=seen_from(address)).status_code


def test_two_gateway_processes_share_one_count(limited: httpx.Client, second: Process) -> None:
    """H6: one address gets three sign-ins in all, over both."""
    with browser(second) as other:
        statuses = [signs_in_wrongly((limited, other)[number % 2], "192.0.2.40") for number in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]


def test_two_gateway_processes_share_the_count_of_wrong_tokens(limited: httpx.Client, second: Process) -> None:
    """Each gateway hears of the others' at its own next failure: one token more, and no more."""
    statuses: list[int] = []
    with browser(second) as other:
        for number in range(LIMIT.requests + 30):
            headers = seen_from("192.0.2.42") | {"authorization": f"Bearer {new_id()}"}
            url = (limited, other)[number % 2].base_url.join("/v1/me")
            statuses.append(limited.get(url, headers=headers).status_code)
    assert set(statuses) == {401, 429}
    assert LIMIT.requests <= statuses.count(401) <= LIMIT.requests + 2


def test_gateways_that_share_nothing_allow_the_limit_each(site: Site) -> None:
    """H6 with the protection off: two gateways that never reach a cache."""
    statuses = []
    for _ in range(2):
        with (
            process(
                "gateway",
                TRIVET_BASE_URL=ORIGIN,
                TRIVET_RATE_LIMIT="on",
                TRIVET_IDENTITY_ADDRESS=site.identity.address,
                TRIVET_CACHE_ADDRESS="127.0.0.1:1",
            ) as alone,
            browser(alone) as client,
        ):
            statuses += [signs_in_wrongly(client, "192.0.2.41") for _ in range(4)]
    assert statuses == [401, 401, 401, 429] * 2


def test_an_account_has_ten_tries_over_both_gateways_however_its_email_is_written(
    limited: httpx.Client, second: Process
) -> None:
    """A4, H6: another gateway, another address and another spelling are the same account."""
    email = new_email()
    sign_up(limited, email)
    limited.cookies.clear()
    spelled = (email, email.upper(), email.title())
    with browser(second) as other:
        statuses = [
            signs_in_wrongly((limited, other)[number % 2], f"203.0.113.{100 + number}", spelled[number % 3])
            for number in range(12)
        ]
    assert statuses == [401] * 10 + [429] * 2


def test_an_owner_who_signed_in_at_one_gateway_is_not_locked_out_of_another(
    limited: httpx.Client, second: Process
) -> None:
    """A4: from which addresses an account was opened is known to all gateways."""
    email, home = new_email(), seen_from("198.51.100.30")
    sign_up(limited, email)
    right = {"email": email, "password": PASSWORD}
    assert limited.post("/sign-in/email", json=right, headers=home).status_code == 200
    limited.cookies.clear()
    with browser(second) as other:
        statuses = [signs_in_wrongly(other, f"203.0.113.{150 + number}", email) for number in range(11)]
        assert statuses[-1] == 429
        eventually(lambda: other.post("/sign-in/email", json=right, headers=home).status_code == 200, seconds=20)


def test_a_cache_that_is_killed_leaves_each_gateway_with_what_it_has_seen(site: Site, limited: httpx.Client) -> None:
    """H6, R14: limits still refuse, and nobody gets a second allowance because the cache went away."""
    assert [signs_in_wrongly(limited, "192.0.2.50") for _ in range(2)] == [401, 401]
    site.cache.kill()
    try:
        assert [signs_in_wrongly(limited, "192.0.2.50") for _ in range(3)] == [401, 429, 429]
        assert [signs_in_wrongly(limited, "192.0.2.51") for _ in range(4)] == [401, 401, 401, 429]
    finally:
        site.restore()


@pytest.mark.parametrize("path", ["/request-password-reset", "/send-verification-email"])
@pytest.mark.parametrize("is_known", [True, False])
def test_one_address_is_sent_three_mails_a_minute_whoever_asks_and_whether_anybody_has_it(
    limited: httpx.Client, path: str, is_known: bool
) -> None:
    """A3, A4, H6: from another address and in another spelling each time."""
    email = new_email()
    if is_known:
        sign_up(limited, email)
        limited.cookies.clear()
    spelled = (email, email.upper(), email.title(), email)
    answers = [
        limited.post(path, json={"email": spelled[number]}, headers=seen_from(f"10.{number}.{next(browsers)}.1"))
        for number in range(4)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[3] == 429
    assert 429 not in statuses[:3]
    assert answers[3].json() == TOO_MANY
    assert len({answer.text for answer in answers[:3]}) == 1
