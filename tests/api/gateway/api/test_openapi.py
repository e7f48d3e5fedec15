"""The description and its page, as a browser gets them."""

import gzip
import re

import httpx

from gateway.api.openapi.page import SCALAR


async def test_the_description_names_what_is_served_by_hand_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    api = answer.json()
    by_hand = {"/v1/me", "/healthz", "/readyz", "/dev/mailbox", "/webhooks/stripe", "/api/auth/sign-up/email"}
    assert by_hand | {"/v1/users/{userId}"} <= set(api["paths"])
    assert "patch" in api["paths"]["/v1/users/{userId}"]


async def test_the_description_says_where_it_is_served(http: httpx.AsyncClient) -> None:
    """The base URL of the settings, which clients see, and no address of a request."""
    api = (await http.get("/openapi.json", headers={"x-forwarded-host": "evil.example"})).json()
    (url,) = (server["url"] for server in api["servers"])
    assert url.startswith("http://localhost:")


async def test_better_auth_comes_first(http: httpx.AsyncClient) -> None:
    api = (await http.get("/openapi.json")).json()
    assert api["tags"][0]["name"] == "Better Auth"
    assert next(iter(api["paths"])) == "/api/auth/sign-up/email"


async def test_the_page_needs_no_other_host(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert not re.findall(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?:https?:)?//", page)


async def test_the_pages_policy_lets_run_what_it_holds_and_nothing_else(http: httpx.AsyncClient) -> None:
    """H5: by a nonce that no other answer has."""
    answers = [await http.get("/docs") for _ in range(2)]
    nonces = {nonce for answer in answers for nonce in re.findall('nonce="([^"]+)"', answer.text)}
    assert len(nonces) == 2
    for answer in answers:
        (nonce,) = set(re.findall('nonce="([^"]+)"', answer.text))
        assert len(re.findall("<script", answer.text)) == len(re.findall(f'<script nonce="{nonce}"', answer.text)) == 2
        policy = answer.headers["content-security-policy"]
        assert f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; " in policy
        assert answer.headers["cache-control"] == "no-store"


async def test_the_pages_script_is_kept_by_browsers_under_the_address_of_its_version(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    (address,) = re.findall(' src="([^"]+)"', page)
    packed = await http.get(address)
    assert packed.headers["content-type"].startswith("text/javascript")
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-encoding"] == "gzip"
    plain = await http.get(address, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == packed.content == gzip.decompress(SCALAR.read_bytes())
