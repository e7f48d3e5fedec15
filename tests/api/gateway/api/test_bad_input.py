"""What is wrong with a request is said once, clearly, as 4xx in AIP-193's shape; never a 500."""

import json
from typing import Any

import httpx
import pytest

from tests.api.gateway.answers import JSON, error_of
from tests.api.gateway.stand_ins import ADMIN, USER, USER_ID, StandIns


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"title": "a",}',
        b'{"title": NaN}',
        b'{"title": "\xff\xfe"}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"data": ' + b'{"a":' * 50_000,
    ],
    ids=["cut", "words", "comma", "nan", "not-utf8-inside", "not-utf8", "deep", "deep-objects"],
)
async def test_a_body_that_is_no_json_is_named_so(http: httpx.AsyncClient, body: bytes) -> None:
    """H2: also JSON that is nested too deeply to be read."""
    answer = await http.post("/v1/notifications", headers=JSON, content=body)
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "INVALID_JSON"


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b'\xef\xbb\xbf{"title": "a"}', "a"),
        (b'{"title": "\\ud800"}', "\ufffd"),
        (b'{"title": "\\ud83d\\ude00"}', "\U0001f600"),
    ],
)
async def test_json_is_taken_as_javascript_reads_it(
    http: httpx.AsyncClient, services: StandIns, body: bytes, title: str
) -> None:
    answer = await http.post(f"/v1/notifications?notification.userId={USER_ID}", headers=JSON, content=body)
    assert answer.status_code == 200
    assert services.last("CreateNotification").request.notification.title == title


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": 5}, "notification.title"),
        ({"title": ["a"]}, "notification.title"),
        ({"title": {"$gt": ""}}, "notification.title"),
        ({"type": "NOTIFICATION_TYPE_PIGEON"}, "notification.type"),
        ({"type": 99}, "notification.type"),
        ({"type": True}, "notification.type"),
        ({"read": "true"}, "notification.read"),
        ({"readTime": "yesterday"}, "notification.readTime"),
        ({"readTime": 5}, "notification.readTime"),
        ({"data": []}, "notification.data"),
        ({"data": {"a": [1, {"b": 9007199254740993}]}}, "notification.data.a[1].b"),
        ({"data": {"a": 10**400}}, "notification.data.a"),
        ({"email": "a@x.io"}, "notification.email"),
        ({"email": {"to": {"$ne": None}}}, "notification.email.to"),
        ({"title": None}, "notification.title"),
        ({"type": None}, "notification.type"),
        ({"data": None}, "notification.data"),
        ({"email": None}, "notification.email"),
        ([], "notification"),
        ("text", "notification"),
        (None, "notification"),
    ],
    ids=str,
)
async def test_a_value_of_the_wrong_type_is_named_by_its_field(http: httpx.AsyncClient, body: Any, field: str) -> None:
    """I1: an operator of the document store is no string."""
    answer = await http.post("/v1/notifications", headers=JSON, content=json.dumps(body))
    assert answer.status_code == 400
    details = error_of(answer)["details"]
    assert details[0]["reason"] == "INVALID_VALUE"
    assert details[1]["fieldViolations"][0]["field"] == field


async def test_null_is_no_body(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/sessions:revokeAll", headers=JSON, content=b"null")
    assert answer.status_code == 400
    assert error_of(answer)["details"][1]["fieldViolations"][0]["field"] == "body"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/notifications", {"titel": "x"}),
        ("/v1/notifications", {"email": {"cc": "x"}}),
        ("/v1/sessions:revokeAll", {"a": 1}),
    ],
    ids=str,
)
async def test_an_unknown_field_is_refused(http: httpx.AsyncClient, path: str, body: Any) -> None:
    answer = await http.post(path, headers=USER, json=body)
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "UNKNOWN_FIELD"


@pytest.mark.parametrize("name", ["colour", "user.id", "page_size.x", "readMask.paths", "notification"])
async def test_an_unknown_query_parameter_is_refused(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get("/v1/notifications", headers=USER, params={name: "x"})
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "UNKNOWN_PARAMETER"


@pytest.mark.parametrize(
    "query",
    [
        "pageSize=ten",
        "pageSize=1.5",
        "pageSize=",
        "pageSize=99999999999",
        "pageSize=" + "9" * 5_000,
        "pageSize=1&pageSize=2",
        "unreadOnly=yes",
        "unreadOnly=True",
        "type=EMAIL",
        "type=99",
        "type=-1",
        "type=1.0",
        "userId=%ff",
    ],
    ids=lambda query: query[:30],
)
async def test_a_query_value_of_the_wrong_type_is_refused(http: httpx.AsyncClient, query: str) -> None:
    """H2: also a number of more digits than Python would read."""
    answer = await http.get(f"/v1/notifications?{query}", headers=USER)
    assert answer.status_code == 400
    assert error_of(answer)["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("userId=a&user_id=b", "user_id is given already, as userId: leave one of the two out"),
        ("user_id=b&pageSize=3&userId=b", "userId is given already, as user_id: leave one of the two out"),
        ("type=99", "type: expected one of NOTIFICATION_TYPE_UNSPECIFIED, "),
        ("readMask=a&readMask=b", "readMask: expected one value"),
    ],
)
async def test_what_is_wrong_with_a_query_is_said(http: httpx.AsyncClient, query: str, said: str) -> None:
    answer = await http.get(f"/v1/notifications?{query}", headers=USER)
    assert answer.status_code == 400
    assert error_of(answer)["message"].startswith(said)


async def test_one_parameter_of_a_message_in_two_spellings_is_refused(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    query = "user.emailVerified=true&user.email_verified=false"
    answer = await http.patch(f"/v1/users/u1?{query}", headers=ADMIN, json={})
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "AMBIGUOUS_PARAMETER"
    assert all(call.name != "UpdateUser" for call in services.calls)


async def test_one_field_of_a_body_in_two_spellings_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/notifications", headers=USER, json={"userId": "a", "user_id": "a"})
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["details"][0]["reason"] == "AMBIGUOUS_FIELD"
    assert error["details"][1]["fieldViolations"][0]["field"] == "notification.user_id"


async def test_more_query_parameters_than_anybody_needs_are_refused(http: httpx.AsyncClient) -> None:
    query = "&".join("userId=a" for _ in range(300))
    assert (await http.get(f"/v1/notifications?{query}", headers=USER)).status_code == 400


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 30, "1e400", "99999999999"])
async def test_a_huge_number_is_out_of_range_and_nothing_worse(http: httpx.AsyncClient, number: str) -> None:
    """H2: numbers beyond every type, also beyond the 4,300 digits that Python reads."""
    answer = await http.post("/v1/notifications", headers=JSON, content=f'{{"type": {number}}}')
    assert answer.status_code == 400
    answer = await http.post("/v1/notifications", headers=JSON, content=f'{{"data": {{"n": {number}}}}}')
    assert answer.status_code == 400


async def test_a_required_field_that_is_missing_is_named(http: httpx.AsyncClient, services: StandIns) -> None:
    answer = await http.post("/v1/notifications", headers=USER, json={"title": "t"})
    assert answer.status_code == 400
    assert error_of(answer)["details"][0]["reason"] == "REQUIRED_FIELD_MISSING"
    assert all(call.name != "CreateNotification" for call in services.calls)
