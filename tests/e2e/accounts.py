"""Signing up and in through the gateway, as a browser on its own origin does."""

import httpx

from tests.harness.clients import another_client

PASSWORD = "a long enough pass phrase"


def sign_up(url: str, email: str) -> str:
    """Make an account; return the user's id."""
    answer = _post(url, "sign-up", {"name": "Ada", "email": email, "password": PASSWORD})
    answer.raise_for_status()
    return str(answer.json()["user"]["id"])


def sign_in(url: str, email: str, password: str = PASSWORD) -> int:
    """Return the status of a sign-in, by default with the password of `sign_up`."""
    return _post(url, "sign-in", {"email": email, "password": password}).status_code


def _post(url: str, verb: str, body: dict[str, str]) -> httpx.Response:
    headers = {"Origin": url, "X-Forwarded-For": another_client()}
    return httpx.post(f"{url}/api/auth/{verb}/email", json=body, headers=headers, timeout=10)
