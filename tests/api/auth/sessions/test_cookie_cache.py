"""The cookie for front ends' middleware over HTTP: when it is written, when it goes, and that nobody believes it."""

from collections.abc import Iterator

import httpx
import pytest

from gateway.auth.protocol.cookie_cache.cookie_cache import STRATEGIES, Content
from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, new_email, session_of, sign_in, sign_up
from tests.harness.processes import SECRET, Process

NAME = "better-auth.session_data"
TOKEN = "better-auth.session_token"


@pytest.fixture(scope="module", params=["compact", "jwt"])
def writing(request: pytest.FixtureRequest, site: Site) -> Iterator[tuple[str, Process]]:
    strategy: str = request.param
    with site.gateway(
        TRIVET_BASE_URL=ORIGIN, TRIVET_COOKIE_CACHE=strategy, TRIVET_COOKIE_CACHE_SECONDS="60"
    ) as running:
        yield strategy, running


@pytest.fixture
def page(writing: tuple[str, Process]) -> Iterator[httpx.Client]:
    with browser(writing[1]) as opened:
        yield opened


def content(writing: tuple[str, Process], value: str) -> Content:
    found = STRATEGIES[writing[0]].read(value, SECRET.encode())
    assert found is not None
    return found


def names(answer: httpx.Response) -> list[str]:
    """Return what an answer sets, a cookie that it removes with a minus."""
    return [
        ("-" if "Max-Age=0" in value else "") + value.partition("=")[0]
        for value in answer.headers.get_list("set-cookie")
    ]


def test_it_says_who_is_signed_in_as_get_session_does(page: httpx.Client, writing: tuple[str, Process]) -> None:
    sign_up(page)
    said = content(writing, page.cookies[NAME])
    assert page.get("/get-session").json() == {"session": said.session, "user": said.user}
    assert (said.version, said.expires_at // 1_000 - said.updated_at // 1_000) == ("1", 60)


def test_it_is_written_wherever_a_session_is_opened_or_its_user_changed(
    page: httpx.Client, writing: tuple[str, Process]
) -> None:
    email = new_email()
    up = page.post("/sign-up/email", json={"name": "Ann", "email": email, "password": PASSWORD})
    changed = page.post("/update-user", json={"name": "Bob"})
    assert content(writing, page.cookies[NAME]).user["name"] == "Bob"
    renewal = {"currentPassword": PASSWORD, "newPassword": "another good one", "revokeOtherSessions": True}
    renewed = page.post("/change-password", json=renewal)
    again = page.post("/sign-in/email", json={"email": email, "password": "another good one"})
    assert [names(answer) for answer in (up, changed, renewed, again)] == [[TOKEN, NAME]] * 4
    assert content(writing, page.cookies[NAME]).session["token"] == again.json()["token"]


def test_reading_a_session_renews_it_only_when_it_is_missing_or_untrue(page: httpx.Client) -> None:
    sign_up(page)
    assert names(page.get("/get-session")) == []
    assert names(page.get("/get-session?disableCookieCache=true")) == [NAME]
    assert names(page.get("/list-sessions")) == []
    page.cookies.delete(NAME)
    assert names(page.get("/get-session?disableRefresh=true")) == []
    assert names(page.get("/list-sessions")) == [NAME]
    page.cookies.set(NAME, "spoiled", domain="127.0.0.1")
    assert names(page.get("/get-session")) == [NAME]
    assert names(page.post("/verify-password", json={"password": PASSWORD})) == [NAME]


def test_a_session_that_has_ended_is_not_believed_for_its_cookies_sake(page: httpx.Client, site: Site) -> None:
    """S4, S6: the original would honour it for as long as the cookie lives."""
    email = new_email()
    sign_up(page, email)
    kept = dict(page.cookies)
    assert names(page.post("/sign-out")) == [f"-{TOKEN}", f"-{NAME}", "-better-auth.dont_remember"]
    assert page.cookies == {}
    header = {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
    ended = page.get("/get-session", headers=header)
    assert (ended.json(), names(ended)) == (None, [f"-{TOKEN}", f"-{NAME}", "-better-auth.dont_remember"])
    alone = page.get("/get-session", headers={"cookie": f"{NAME}={kept[NAME]}"})
    assert (alone.json(), names(alone)) == (None, [])
    assert page.get("/list-sessions", headers=header).status_code == 401


def test_what_it_says_of_somebody_else_is_not_believed(page: httpx.Client, writing: tuple[str, Process]) -> None:
    """S6: not even signed by ourselves, with an administrator in it."""
    sign_up(page)
    true = content(writing, page.cookies[NAME])
    user = dict(true.user) | {"id": "x" * 32, "name": "Root", "role": "admin"}
    forged = Content(true.session, user, true.updated_at, true.expires_at)
    page.cookies.delete(NAME)
    page.cookies.set(NAME, STRATEGIES[writing[0]].write(forged, SECRET.encode()), domain="127.0.0.1")
    answer = page.get("/get-session")
    assert answer.json()["user"] == true.user
    assert names(answer) == [NAME]


def test_chunks_go_with_the_session(page: httpx.Client) -> None:
    sign_up(page)
    for index in range(3):
        page.cookies.set(f"{NAME}.{index}", "x", domain="127.0.0.1")
    page.cookies.delete(NAME)
    ended = page.post("/sign-out")
    chunks = [f"-{NAME}.{index}" for index in range(3)]
    assert sorted(names(ended)) == sorted([f"-{TOKEN}", f"-{NAME}", *chunks, "-better-auth.dont_remember"])


def test_who_is_not_remembered_has_one_that_ends_with_the_browser(page: httpx.Client) -> None:
    email = new_email()
    sign_up(page, email)
    page.cookies.clear()
    forgetful = {"email": email, "password": PASSWORD, "rememberMe": False}
    opened = page.post("/sign-in/email", json=forgetful)
    assert names(opened) == [TOKEN, "better-auth.dont_remember", NAME]
    assert "Max-Age" not in "".join(opened.headers.get_list("set-cookie"))
    page.cookies.delete(NAME)
    assert names(page.get("/get-session")) == []
    assert names(page.post("/update-user", json={"name": "B"})) == [TOKEN, "better-auth.dont_remember", NAME]


def test_without_the_setting_it_is_never_written(client: httpx.Client) -> None:
    sign_up(client)
    client.post("/update-user", json={"name": "B"})
    client.get("/get-session?disableCookieCache=true")
    assert list(client.cookies) == [TOKEN]


def test_whoever_is_remembered_again_is_no_longer_forgotten(client: httpx.Client) -> None:
    email = new_email()
    sign_up(client, email)
    client.cookies.clear()
    sign_in(client, email, rememberMe=False)
    remembered = client.post("/sign-in/email", json={"email": email, "password": PASSWORD})
    assert names(remembered) == [TOKEN, "-better-auth.dont_remember"]
    session = session_of(client)
    assert session is not None
    assert list(client.cookies) == [TOKEN]


def test_a_setting_that_is_none_of_the_three_is_refused_by_its_name(site: Site) -> None:
    with pytest.raises(RuntimeError, match="TRIVET_COOKIE_CACHE"), site.gateway(TRIVET_COOKIE_CACHE="jwe"):
        pass
