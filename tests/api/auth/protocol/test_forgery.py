"""What other sites, forged cookies and odd bodies get: nothing, and in the protocol's own shape."""

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, PASSWORD, browser, cookie, new_email, session_of, sign_up
from tests.harness.processes import Process

SIGN_IN = "/sign-in/email"
STATE_CHANGES = [
    ("/sign-out", {}),
    ("/revoke-sessions", {}),
    ("/revoke-other-sessions", {}),
    ("/revoke-session", {"token": "x"}),
    ("/update-user", {"name": "Eve"}),
    ("/change-password", {"newPassword": "evil password", "currentPassword": PASSWORD}),
    ("/delete-user", {}),
]


@pytest.fixture(scope="module")
def signed_up(gateway: Process) -> dict[str, str]:
    """The cookie of somebody whom nobody may sign out."""
    with browser(gateway) as client:
        sign_up(client)
        return cookie(client)


@pytest.mark.parametrize(("path", "body"), STATE_CHANGES)
@pytest.mark.parametrize(
    ("origin", "code"),
    [("https://evil.com", "INVALID_ORIGIN"), ("null", "MISSING_OR_NULL_ORIGIN"), (None, "MISSING_OR_NULL_ORIGIN")],
)
def test_another_sites_page_changes_nothing(
    client: httpx.Client, signed_up: dict[str, str], path: str, body: dict[str, str], origin: str | None, code: str
) -> None:
    """C1."""
    del client.headers["origin"]
    headers = signed_up | ({"origin": origin} if origin else {})
    answer = client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert client.get("/get-session", headers=signed_up).json()["user"]["name"] == "Ann"


@pytest.mark.parametrize(("path", "body"), STATE_CHANGES)
def test_a_form_cannot_be_sent_where_json_is_expected(client: httpx.Client, path: str, body: dict[str, str]) -> None:
    """C1: other sites' forms can send no JSON."""
    sign_up(client)
    answer = client.post(path, data=body or {"a": "b"})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert session_of(client)


@pytest.mark.parametrize("url", ["//e.vil", "/\\e.vil", "/%5Ce.vil", "https:e.vil", "https://good@e.vil", "/\r\nx: y"])
def test_signing_in_never_leads_to_another_site(client: httpx.Client, url: str) -> None:
    """C2; every spelling is in the unit tests."""
    body = {"email": new_email(), "password": PASSWORD, "callbackURL": url}
    answer = client.post(SIGN_IN, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_CALLBACK_URL")
    assert "location" not in answer.headers


def test_a_trusted_callback_is_handed_back(client: httpx.Client) -> None:
    email = new_email()
    sign_up(client, email)
    body = {"email": email, "password": PASSWORD, "callbackURL": f"{ORIGIN}/ünter?a=1"}
    answer = client.post(SIGN_IN, json=body)
    assert (answer.json()["redirect"], answer.json()["url"]) == (True, body["callbackURL"])
    assert answer.headers["location"] == f"{ORIGIN}/%C3%BCnter?a=1"


def test_a_body_is_read_as_javascript_reads_it(client: httpx.Client) -> None:
    members = f'{{"email":"{new_email()}","password":"{PASSWORD}","name":"Ann\\ud83d","unused":[1e999,{"9" * 5_000}]}}'
    answer = client.post(
        "/sign-up/email", content=b"\xef\xbb\xbf" + members.encode(), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["user"]["name"]) == (200, "Ann\ufffd")


@pytest.mark.parametrize("position", [0, 10, 31, 32, 33, 50, -2])
def test_a_session_cookie_with_a_flipped_bit_opens_nothing(client: httpx.Client, position: int) -> None:
    """S6."""
    sign_up(client)
    name, _, value = cookie(client)["cookie"].partition("=")
    flipped = "A" if value[position] != "A" else "B"
    forged = value[:position] + flipped + value[position:][1:]
    client.cookies.clear()
    answer = client.get("/get-session", headers={"cookie": f"{name}={forged}"})
    assert (answer.status_code, answer.json()) == (200, None)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"email":"\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"1" * 5_000, "application/json", 400),
        (b'"\\ud800"', "application/json", 400),
        (b'{"email":"a@x.io","password":1e999}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"email":{"$gt":""},"password":{"$ne":null}}', "application/json", 400),
        (b'{"email":["a@x.io"],"password":1}', "application/json", 400),
        (b"email=%ff&password=x", "application/x-www-form-urlencoded", 400),
        (b"<x/>", "application/xml", 415),
        (b"{}", "", 415),
        (b'{"a":"' + b"x" * 2_000_000 + b'"}', "application/json", 413),
    ],
)
def test_an_odd_body_is_refused_in_the_protocols_shape(
    client: httpx.Client, content: bytes, content_type: str, status: int
) -> None:
    """I1, H2: malformed, deep, huge, wrongly typed or of another media type; never a 500."""
    answer = client.post(SIGN_IN, content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["message", "code"]


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    """H3."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(SIGN_IN, content=b"\x1f\x8b", headers=headers).status_code == 415


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/nope"),
        ("DELETE", "/sign-out"),
        ("GET", "/ok/"),
        ("GET", "//ok"),
        ("PUT", "/ok"),
    ],
)
def test_what_is_not_there_is_an_empty_404(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, f"http://{client.base_url.netloc.decode()}/api/auth{path}")
    assert (answer.status_code, answer.content) == (404, b"")
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("error=a_b-c'd&error_description=hi%20x", "/?error=a_b-c%27d&error_description=hi+x"),
        ("error=%3Cscript%3E", "/?error=UNKNOWN"),
        ("", "/?error=UNKNOWN"),
        ("error=x&error_description=%0d%0aset-cookie:a", "/?error=x&error_description=%0D%0Aset-cookie%3Aa"),
    ],
)
def test_the_error_page_passes_on_nothing_that_could_act(client: httpx.Client, query: str, location: str) -> None:
    """C2."""
    answer = client.get(f"/error?{query}")
    assert (answer.status_code, answer.headers["location"]) == (302, location)
