"""The hook that holds answers against the API description, and the recorded exchanges of the original."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.api.auth.recordings import recording
from tests.harness.described import Description, described, every_answer_is_described

SIGNED_OUT = b'{"success":true}'
WRONG = {
    "an unknown status": (418, SIGNED_OUT),
    "a member too many": (200, b'{"success":true,"secret":"s"}'),
    "a member too few": (200, b"{}"),
    "a value of another type": (200, b'{"success":"yes"}'),
    "no body": (200, b""),
    "an unknown code": (403, b'{"message":"m","code":"NO_SUCH_CODE"}'),
}

DEVIATING = ("FAILED_TO_CREATE_USER", "PASSWORD_TOO_LONG")
"""Codes with which the original refuses what we take, or refuse in other words: see deviations.toml."""


@pytest.fixture(scope="module")
def description() -> Description:
    return Description(described())


def answering(status: int, body: bytes) -> httpx.Client:
    """A client of a gateway that answers everything so."""
    headers = {"content-type": "application/json", "x-request-id": "r1"}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))
    return httpx.Client(transport=transport, base_url="http://gateway")


def test_an_answer_as_described_passes(description: Description, monkeypatch: pytest.MonkeyPatch) -> None:
    with every_answer_is_described(monkeypatch, description), answering(200, SIGNED_OUT) as client:
        assert client.post("/api/auth/sign-out").json() == {"success": True}


@pytest.mark.parametrize(("status", "body"), WRONG.values(), ids=WRONG)
def test_an_answer_that_is_not_described_fails_its_test(
    description: Description, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    expected = pytest.raises(AssertionError, match="authSignOut answered")
    with every_answer_is_described(monkeypatch, description), answering(status, body) as client, expected:
        client.post("/api/auth/sign-out")


def recorded(description: Description) -> Iterator[tuple[str, str]]:
    """Yield each recorded request that the description has an operation for, and what is not as described in it."""
    for exchange in (each for exchanges in recording().values() for each in exchanges if "request" in each):
        method, _, path = str(exchange["request"]).partition(" ")
        path = f"/api/auth{path.partition('?')[0]}"
        if description.operation(method, path) is None:
            continue
        body, headers = exchange.get("body"), exchange.get("headers", {})
        media_type = headers.get("content-type", "")
        is_empty = body is None and path != "/api/auth/get-session"
        raw = b"" if is_empty or body == "" else json.dumps(body).encode()
        yield f"{exchange['request']}", description.fault(method, path, exchange["status"], media_type, raw)


def test_what_the_original_answered_is_described(description: Description) -> None:
    """Status by status, with codes and without."""
    found = list(recorded(description))
    assert len(found) > 700
    faults = [(request, fault) for request, fault in found if fault and not any(code in fault for code in DEVIATING)]
    assert faults == []
