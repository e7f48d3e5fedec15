"""What looks like SQL is data: in filters, orders, ids and addresses, on every relational database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.people import FAST_HASHING, browser, new_email, promote, sign_in, sign_up
from tests.harness.whole import Stores, Whole, whole

STATEMENTS = (
    "' OR '1'='1",
    "' OR 1=1 -- ",
    '" OR ""="',
    "'; DROP TABLE users; -- ",
    "\\' OR 1=1 #",
    "') UNION SELECT id, email, name FROM users -- ",
    "a' AND (SELECT 1 FROM (SELECT SLEEP(9)) x) AND 'a'='a",
    "'||pg_sleep(9)||'",
    "%",
    "_",
    "%' ESCAPE '\\",
    "[a-z]*",
    "${1+1}",
)


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def running(
    engine: Engines, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    folder: Path = tmp_path_factory.mktemp("injection")
    name = request.param
    sql = f"sqlite:///{folder}/trivet.db" if name == "sqlite" else engine.get(name).url
    with whole(Stores(sql, "", engine.get("valkey").url), "identity", "cache", "gateway", **FAST_HASHING) as processes:
        yield processes


@pytest.fixture(scope="module")
async def admin(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator among three people."""
    email = new_email()
    async with browser(running.url) as client:
        for each in (email, new_email(), new_email()):
            (await sign_up(client, each)).raise_for_status()
        await promote(running["identity"].environment["DATABASE_URL"], email)
        (await sign_in(client, email)).raise_for_status()
        yield client


async def users(admin: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await admin.get("/v1/users", params=query)
    answer.raise_for_status()
    return dict(answer.json())


async def test_the_same_question_without_an_attack_is_answered(admin: httpx.AsyncClient) -> None:
    """So that the empty answers below say something."""
    assert (await users(admin, page=1))["totalSize"] >= 3


@pytest.mark.parametrize("text", STATEMENTS)
async def test_sql_in_a_filter_is_a_text_that_matches_nobody(admin: httpx.AsyncClient, text: str) -> None:
    """I2: also what LIKE would obey; and afterwards everybody is still there."""
    before = (await users(admin, page=1))["totalSize"]
    answer = await admin.get("/v1/users", params={"emailPrefix": text, "page": 1})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        assert (answer.json()["users"], answer.json()["totalSize"]) == ([], 0)
    assert (await users(admin, page=1))["totalSize"] == before


@pytest.mark.parametrize("name", ["order", "role", "banned", "pageSize", "page", "pageToken"])
@pytest.mark.parametrize("text", ["email; DROP TABLE users", "1 OR 1=1", "(SELECT 1)", "name DESC --"])
async def test_an_order_that_is_not_on_the_list_is_refused(admin: httpx.AsyncClient, name: str, text: str) -> None:
    """I2: what sorts and selects is chosen by a word of ours, never spelled by the caller."""
    assert (await admin.get("/v1/users", params={name: text})).status_code == 400


@pytest.mark.parametrize("text", STATEMENTS)
async def test_sql_for_an_id_is_nobody(admin: httpx.AsyncClient, text: str) -> None:
    answer = await admin.get(f"/v1/users/{quote(text, safe='')}")
    assert answer.status_code in (400, 404), answer.text


async def test_an_address_with_quotes_and_wildcards_is_one_account_and_nothing_else(
    running: Whole, admin: httpx.AsyncClient
) -> None:
    """I2: `'`, `_` and `+` may stand in an address. They select this one account, and are read as they are."""
    ours, other = (f"o'neil_{new_id().lower()}{sign}or'1'-1@example.com" for sign in "+x")
    async with browser(running.url) as client:
        for refused in (f"a{sign}b@example.com" for sign in '"%;\\()= \0'):
            assert (await sign_up(client, refused)).status_code == 400, refused
        for each in (ours, other):
            assert (await sign_up(client, each)).json()["user"]["email"] == each
        assert (await sign_up(client, ours)).status_code == 422
        assert (await sign_in(client, ours)).json()["user"]["email"] == ours
    found = await users(admin, emailPrefix=ours, page=1)
    assert [user["email"] for user in found["users"]] == [ours]
    assert (await users(admin, emailPrefix=ours.replace("_", "%"), page=1))["totalSize"] == 0
    assert (await users(admin, emailPrefix=ours.replace("_", "x"), page=1))["totalSize"] == 0
