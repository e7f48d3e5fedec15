"""The life of a session: opened, seen, slid, listed, ended."""

import httpx
import pytest

from tests.api.auth.conftest import PASSWORD, Site, browser, cookie, new_email, session_of, sign_in, sign_up
from tests.harness.processes import Process

NEWEST = "created_at = (SELECT max(created_at) FROM sessions)"


def test_a_planted_cookie_is_not_the_session_after_signing_in(gateway: Process) -> None:
    """S2: an attacker's live session in the victim's browser gives way to a new token."""
    email = new_email()
    with browser(gateway) as attacker, browser(gateway) as victim:
        sign_up(victim, email)
        planted = sign_up(attacker)
        victim.cookies = httpx.Cookies(attacker.cookies)
        opened = sign_in(victim, email)
        assert opened != planted
        assert (session_of(victim) or {})["token"] == opened
        assert (session_of(attacker) or {})["userId"] != (session_of(victim) or {})["userId"]


def test_every_sign_in_has_a_token_of_its_own(client: httpx.Client) -> None:
    """S2."""
    email = new_email()
    assert len({sign_up(client, email), sign_in(client, email), sign_in(client, email)}) == 3


def test_a_session_that_was_signed_out_is_over_at_once(client: httpx.Client, gateway: Process) -> None:
    """S4: also for one who kept the cookie."""
    sign_up(client)
    kept = cookie(client)
    assert client.post("/sign-out", json={}).json() == {"success": True}
    with browser(gateway) as other:
        answer = other.get("/get-session", headers=kept)
        assert answer.json() is None
        assert len(answer.headers.get_list("set-cookie")) == 3, "the dead cookie is taken back"


def test_others_are_listed_by_a_handle_that_opens_nothing_and_ends_them(client: httpx.Client, gateway: Process) -> None:
    """S1: the handle of another session is no token, yet /revoke-session takes it."""
    email = new_email()
    token = sign_up(client, email)
    with browser(gateway) as phone:
        other = sign_in(phone, email)
        mine, its = client.get("/list-sessions").json()
        assert (mine["token"], its["token"]) == (token, its["id"])
        assert other not in client.get("/list-sessions").text
        with browser(gateway) as thief:
            assert thief.get("/get-session", headers={"authorization": f"Bearer {its['token']}"}).json() is None
        assert client.post("/revoke-session", json={"token": its["token"]}).json() == {"status": True}
        assert session_of(phone) is None
    assert session_of(client)


def test_a_session_is_ended_by_its_token_as_well(client: httpx.Client, gateway: Process) -> None:
    email = new_email()
    sign_up(client, email)
    with browser(gateway) as phone:
        client.post("/revoke-session", json={"token": sign_in(phone, email)})
        assert session_of(phone) is None


@pytest.mark.parametrize("of_its_own", ["token", "id"])
def test_ending_ones_own_session_takes_the_cookies(client: httpx.Client, of_its_own: str) -> None:
    sign_up(client)
    answer = client.post("/revoke-session", json={"token": (session_of(client) or {})[of_its_own]})
    assert len(answer.headers.get_list("set-cookie")) == 3
    assert session_of(client) is None


def test_nobody_ends_anothers_session(client: httpx.Client, gateway: Process) -> None:
    """I6: the answer does not tell whether there was one."""
    sign_up(client)
    with browser(gateway) as other:
        token = sign_up(other)
        for handle in (token, (session_of(other) or {})["id"], "x" * 32):
            assert client.post("/revoke-session", json={"token": handle}).json() == {"status": True}
        assert session_of(other)


@pytest.mark.parametrize(
    ("body", "is_renewed", "others_live"),
    [({}, False, False), ({"revokeOtherSessions": True}, True, False), ({"revokeOtherSessions": False}, False, True)],
)
def test_a_new_password_ends_the_other_sessions_unless_told_otherwise(
    client: httpx.Client, gateway: Process, body: dict[str, bool], is_renewed: bool, others_live: bool
) -> None:
    """A6, S2."""
    email = new_email()
    before = sign_up(client, email)
    with browser(gateway) as phone:
        sign_in(phone, email)
        change = {"newPassword": "another good one", "currentPassword": PASSWORD, **body}
        token = client.post("/change-password", json=change).json()["token"]
        assert (token is not None) == is_renewed
        assert (session_of(client) or {})["token"] == (token or before)
        assert (session_of(phone) is not None) == others_live


@pytest.mark.parametrize(("path", "mine_lives"), [("/revoke-sessions", False), ("/revoke-other-sessions", True)])
def test_all_sessions_end_at_once(client: httpx.Client, gateway: Process, path: str, mine_lives: bool) -> None:
    email = new_email()
    sign_up(client, email)
    with browser(gateway) as phone:
        sign_in(phone, email)
        assert session_of(phone)
        assert client.post(path, json={}).json() == {"status": True}
        assert session_of(phone) is None
    assert (session_of(client) is not None) == mine_lives


def age(site: Site, column: str) -> None:
    """Make the newest session two days older, before anything has read it."""
    site.execute(f"UPDATE sessions SET {column} = strftime('%Y-%m-%d %H:%M:%f000', {column}, '-2 days') WHERE {NEWEST}")


def test_a_session_is_slid_once_a_day_and_its_cookie_set_anew(site: Site, client: httpx.Client) -> None:
    """S3: VerifySession never writes; the first request after the day moves the end, the next does not."""
    sign_up(client)
    age(site, "expires_at")
    first = client.get("/get-session")
    assert "Max-Age=604800" in first.headers["set-cookie"]
    assert first.headers["set-auth-token"]
    second = client.get("/get-session")
    assert "set-cookie" not in second.headers
    assert second.json()["session"] == first.json()["session"]


def test_a_session_is_not_slid_when_the_request_or_the_browser_says_so(site: Site, client: httpx.Client) -> None:
    email = new_email()
    sign_up(client, email)
    age(site, "expires_at")
    assert "set-cookie" not in client.get("/get-session?disableRefresh=false").headers, "any text is true"
    client.cookies.clear()
    sign_in(client, email, rememberMe=False)
    assert "set-cookie" not in client.get("/get-session").headers


def test_an_expired_session_is_over(site: Site, client: httpx.Client) -> None:
    """S3."""
    sign_up(client)
    site.execute(f"UPDATE sessions SET expires_at = '2020-01-01 00:00:00.000000' WHERE {NEWEST}")
    assert session_of(client) is None


def test_what_is_sensitive_needs_a_fresh_session(site: Site, client: httpx.Client) -> None:
    """S7: listing sessions, and deleting the account without its password."""
    sign_up(client)
    age(site, "created_at")
    listed = client.get("/list-sessions")
    assert (listed.status_code, listed.json()["code"]) == (403, "SESSION_NOT_FRESH")
    deleted = client.post("/delete-user", json={})
    assert (deleted.status_code, deleted.json()["code"]) == (400, "SESSION_EXPIRED")
    assert client.post("/delete-user", json={"password": PASSWORD}).status_code == 200


def test_a_fresh_session_may_delete_the_account_and_nothing_of_it_is_left(client: httpx.Client) -> None:
    """S4."""
    email = new_email()
    sign_up(client, email)
    assert client.post("/delete-user", json={}).json() == {"success": True, "message": "User deleted"}
    assert not client.cookies
    assert client.post("/sign-in/email", json={"email": email, "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/list-sessions", None),
        ("POST", "/revoke-session", {"token": "x"}),
        ("POST", "/revoke-sessions", {}),
        ("POST", "/revoke-other-sessions", {}),
        ("POST", "/update-user", {"name": "x"}),
        ("POST", "/change-password", {"newPassword": "x", "currentPassword": "y"}),
        ("POST", "/verify-password", {"password": "x"}),
        ("POST", "/delete-user", {}),
    ],
)
def test_nothing_of_an_account_is_open_to_strangers(
    client: httpx.Client, method: str, path: str, body: dict[str, str] | None
) -> None:
    answer = client.request(method, path, json=body)
    assert answer.status_code == 401
    assert answer.json() == {"message": "Unauthorized", "code": "UNAUTHORIZED"}


def test_the_account_is_not_deleted_by_an_old_session_through_the_other_route(site: Site, client: httpx.Client) -> None:
    """S7: identity holds to it, whichever route asks; and no password stands in a URL."""
    email = new_email()
    sign_up(client, email)
    age(site, "created_at")
    users = f"{str(client.base_url).removesuffix('/api/auth/')}/v1/users/me"
    refused = client.delete(users)
    assert (refused.status_code, refused.json()["error"]["details"][0]["reason"]) == (400, "SESSION_NOT_FRESH")
    in_url = client.delete(users, params={"password": PASSWORD})
    assert (in_url.status_code, in_url.json()["error"]["details"][0]["reason"]) == (400, "SECRET_IN_URL")
    client.cookies.clear()
    sign_in(client, email)
    assert client.delete(users).status_code == 200
