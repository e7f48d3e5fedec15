"""What is kept, what is shown, and what opens a session: tokens, cookies and the secret behind them."""

import httpx
from redis import Redis

from runtime.ids import token_hash
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, cookie, new_email, session_of, sign_in, sign_up
from tests.harness.processes import SECRET as OLD_SECRET
from tests.harness.processes import Process

NEW_SECRET = "a new secret after the old one leaked, 0123456789"


def everything_stored(site: Site) -> bytes:
    """Return all that SQLite and Valkey hold."""
    files = [path.read_bytes() for path in site.database.parent.glob(f"{site.database.name}*")]
    with Redis.from_url(site.redis_url) as redis:
        entries = [key + (redis.dump(key) or b"") for key in redis.scan_iter()]
    return b"".join(files + entries)


def test_no_token_that_was_on_the_wire_is_stored(site: Site, client: httpx.Client) -> None:
    """S1: only SHA-256 of it, in SQL and in Redis; the hash found in both proves that the search finds."""
    email = new_email()
    tokens = [sign_up(client, email), sign_in(client, email), sign_in(client, email, rememberMe=False)]
    assert session_of(client)
    client.post("/change-password", json={"newPassword": "another good one", "currentPassword": PASSWORD})
    stored = everything_stored(site)
    signature = cookie(client)["cookie"].partition(".")[2]
    for secret in (*tokens, signature, PASSWORD, "another good one"):
        assert secret.encode() not in stored
    with Redis.from_url(site.redis_url) as redis:
        assert any(token_hash(tokens[-1]).encode() in key for key in redis.scan_iter())
    assert token_hash(tokens[-1]).encode() in b"".join(
        path.read_bytes() for path in site.database.parent.glob(f"{site.database.name}*")
    )


def test_every_answer_says_that_it_must_not_be_stored(client: httpx.Client) -> None:
    """S5."""
    email = new_email()
    sign_up(client, email)
    for method, path in (("GET", "/get-session"), ("GET", "/list-sessions"), ("GET", "/nope"), ("POST", "/sign-out")):
        assert client.request(method, path).headers["cache-control"] == "no-store", path


def test_over_https_the_cookie_is_secure_by_its_name(site: Site) -> None:
    """S5."""
    with site.gateway(TRIVET_BASE_URL="https://app.example.com") as gateway, browser(gateway) as client:
        client.headers["origin"] = "https://app.example.com"
        body = {"name": "x", "email": new_email(), "password": PASSWORD}
        (kept,) = client.post("/sign-up/email", json=body).headers.get_list("set-cookie")
    assert kept.startswith("__Secure-better-auth.session_token=")
    assert kept.endswith("; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax")


def test_a_rotated_secret_signs_nobody_out_while_the_old_one_is_listed(
    site: Site, gateway: Process, client: httpx.Client
) -> None:
    """S6, K1: and once it is no longer listed, what it signed opens nothing."""
    sign_up(client)
    old = cookie(client)
    for former, opens in ((OLD_SECRET, True), ("", False)):
        rotated = site.gateway(TRIVET_BASE_URL=ORIGIN, TRIVET_SECRET=NEW_SECRET, TRIVET_SECRETS_OLD=former)
        with rotated as running, browser(running) as other:
            assert (other.get("/get-session", headers=old).json() is not None) == opens


def test_a_bearer_token_does_without_cookies_and_origin(client: httpx.Client) -> None:
    email = new_email()
    sign_up(client, email)
    answer = client.post("/sign-in/email", json={"email": email, "password": PASSWORD})
    bearer = {"authorization": f"Bearer {answer.headers['set-auth-token']}"}
    client.cookies.clear()
    del client.headers["origin"]
    assert client.get("/get-session", headers=bearer).json()["user"]["email"] == email
    assert client.post("/update-user", json={"name": "Ann B"}, headers=bearer).json() == {"status": True}
    assert client.get("/get-session", headers=bearer).json()["user"]["name"] == "Ann B"
    client.cookies.clear()
    assert client.post("/sign-out", headers=bearer).json() == {"success": True}
    assert client.get("/get-session", headers=bearer).json() is None
