"""The same routes with the real services and stores behind them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Engines
from tests.harness.waiting import until
from tests.harness.whole import Stores, Whole, whole


@pytest.fixture(scope="module")
def stack(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("real")
    stores = Stores(f"sqlite:///{folder}/trivet.db", engine.get("secantusdb").url, engine.get("valkey").url)
    with whole(stores) as running:
        yield running


@pytest.fixture(scope="module")
def ada(stack: Whole) -> Iterator[httpx.Client]:
    """Somebody who has signed up, by bearer token."""
    with httpx.Client(base_url=stack.url, timeout=10) as http:
        body = {"name": "Ada", "email": "ada@example.com", "password": "correct horse 9"}
        answer = http.post("/api/auth/sign-up/email", json=body)
        assert answer.status_code == 200
        http.cookies.clear()
        http.headers["authorization"] = f"Bearer {answer.json()['token']}"
        yield http


async def test_everything_is_ready(stack: Whole) -> None:
    async with httpx.AsyncClient(base_url=stack.url) as http:

        async def ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await until(ready, 10)


def test_a_person_reads_and_changes_her_own_data(ada: httpx.Client) -> None:
    me = ada.get("/v1/users/me").json()
    assert (me["name"], me["email"], me["role"]) == ("Ada", "ada@example.com", "ROLE_USER")
    changed = ada.patch("/v1/users/me", params={"updateMask": "name"}, json={"name": "Ada L"}).json()
    assert (changed["id"], changed["name"]) == (me["id"], "Ada L")
    assert [session["userId"] for session in ada.get("/v1/sessions").json()["sessions"]] == [me["id"]]


@pytest.mark.parametrize("page_size", [0, -1, 10_001, 1_001])
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/sessions"])
def test_a_page_size_out_of_range_is_refused(ada: httpx.Client, path: str, page_size: int) -> None:
    answer = ada.get(path, params={"pageSize": page_size})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["reason"] == "INVALID_PAGE_SIZE"


@pytest.mark.parametrize("token", ["zz", "not base64!", "eyJhIjoxfQ", "a" * 5_000])
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/sessions"])
def test_a_page_token_that_is_not_ours_is_refused(ada: httpx.Client, path: str, token: str) -> None:
    answer = ada.get(path, params={"pageToken": token})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["reason"] == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("path", ["/v1/users", "/v1/logs", "/v1/cache:stats", f"/v1/users/{'x' * 32}"])
def test_what_is_for_administrators_is_refused(ada: httpx.Client, path: str) -> None:
    answer = ada.get(path)
    assert answer.status_code == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"


def test_the_mailbox_is_there_in_development(ada: httpx.Client) -> None:
    answer = ada.get("/dev/mailbox")
    assert answer.status_code == 200
    assert isinstance(answer.json()["messages"], list)  # other tests' mail, in a store that all share


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/deliveries"),
        ("POST", "/v1/deliveries/d1:retry"),
        ("POST", "/v1/devices"),
        ("DELETE", "/v1/devices/d1"),
        ("POST", "/v1/events:record"),
        ("GET", "/v1/events:count"),
    ],
)
def test_a_route_that_is_specified_only_answers_501_in_words(ada: httpx.Client, verb: str, path: str) -> None:
    answer = ada.request(verb, path, json={} if verb == "POST" else None)
    assert answer.status_code == 501
    error = answer.json()["error"]
    assert error["details"][0]["reason"] == "NOT_IMPLEMENTED"
    assert "this version does not implement it" in error["message"]


def test_what_is_specified_only_is_not_described(ada: httpx.Client) -> None:
    paths = ada.get("/openapi.json").json()["paths"]
    assert "/v1/notifications" in paths
    assert not [path for path in paths if path.startswith(("/v1/deliveries", "/v1/devices", "/v1/events"))]
