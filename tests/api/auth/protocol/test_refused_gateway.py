"""A gateway whose signature the services refuse, after half a rotation: people read that the stack fails."""

from collections.abc import Iterator

import httpx
import pytest

from ops.keys.pair_keys import SERVICES, pair_key
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, cookie, sign_up
from tests.harness.processes import Process

NEW_SECRET = "a new secret, which only the gateway has heard of so far"
AWAY = b'{"message":"Service unavailable","code":"SERVICE_UNAVAILABLE"}'


@pytest.fixture(scope="module")
def refused(site: Site) -> Iterator[Process]:
    keys = ",".join(f"{service}={pair_key(NEW_SECRET, 'gateway', service).hex()}" for service in SERVICES)
    with site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_CALL_KEYS=keys) as running:
        yield running


@pytest.fixture
def signed_in(client: httpx.Client) -> dict[str, str]:
    """The cookies of somebody who signed in at a gateway that is believed."""
    sign_up(client)
    return cookie(client)


@pytest.mark.parametrize("path", ["/v1/me", "/v1/users/me", "/v1/sessions"])
def test_rest_answers_503_to_signed_in_people(refused: Process, signed_in: dict[str, str], path: str) -> None:
    answer = httpx.get(f"http://{refused.address}{path}", headers=signed_in)
    assert (answer.status_code, answer.json()["error"]["status"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/get-session", None),
        ("GET", "/list-sessions", None),
        ("POST", "/sign-in/email", {"email": "ann@example.com", "password": PASSWORD}),
        ("POST", "/sign-up/email", {"email": "new@example.com", "password": PASSWORD, "name": "Ann"}),
        ("POST", "/change-password", {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}),
        ("POST", "/request-password-reset", {"email": "ann@example.com"}),
        ("POST", "/sign-in/social", {"provider": "github"}),
    ],
)
def test_auth_routes_answer_503_in_the_protocols_words(
    refused: Process, signed_in: dict[str, str], method: str, path: str, body: object
) -> None:
    with browser(refused) as client:
        answer = client.request(method, path, json=body, headers=signed_in)
    assert (answer.status_code, answer.content) == (503, AWAY)
    assert answer.headers["retry-after"]


def test_it_is_not_ready_and_its_log_names_the_key(refused: Process) -> None:
    """Every unsigned health check is answered: only a signed call shows it."""
    answer = httpx.get(f"http://{refused.address}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert "identity" in answer.json()["degraded"]
    assert "identity refuses the gateway's own calls" in refused.output()
    assert "TRIVET_CALL_KEYS" in refused.output()
    assert NEW_SECRET not in refused.output()
