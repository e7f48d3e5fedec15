"""The description and its page, as a browser gets them."""

import base64
import hashlib
import re

import httpx


async def test_the_description_names_what_is_served_by_hand_too(http: httpx.AsyncClient) -> None:
    answer = await http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    paths = answer.json()["paths"]
    assert {"/v1/me", "/healthz", "/readyz", "/dev/mailbox", "/api/auth/sign-up/email", "/v1/users/{user_id}"} <= set(
        paths
    )
    assert "patch" in paths["/v1/users/{user_id}"]


async def test_the_page_needs_no_other_host(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert not re.findall(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?:https?:)?//", page)


async def test_the_pages_policy_lets_run_what_it_holds_and_nothing_else(http: httpx.AsyncClient) -> None:
    """H5."""
    answer = await http.get("/docs")
    policy = answer.headers["content-security-policy"]
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
