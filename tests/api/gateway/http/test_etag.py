"""ETag and 304 on reads of one resource: for whoever may read it, and nobody else."""

import httpx
import pytest

from runtime.errors import NotFound, PermissionDenied
from tests.api.gateway.conftest import PAGE
from tests.api.gateway.stand_ins import ADMIN, ADMIN_ID, USER, USER_ID, StandIns
from trivet.identity.v1.resources_pb2 import User
from trivet.notifications.v1.notification_service_pb2 import CountUnreadResponse

RESOURCES = [
    "/v1/users/me",
    "/v1/notifications/n1",
    "/v1/notifications:countUnread",
    "/v1/notifications:stats",
    "/v1/me",
]
OF_A_304 = ("cache-control", "etag", "vary")
"""What RFC 9110, 15.4.5, wants of a 304 that the 200 has; a date is the server's."""


@pytest.mark.parametrize("path", RESOURCES)
async def test_who_has_the_answer_already_is_told_so_and_nothing_else(
    http: httpx.AsyncClient, services: StandIns, path: str
) -> None:
    services.answers["GetUser"] = User(id=USER_ID, name="Ann")
    first = await http.get(path, headers=USER)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "private, no-cache"
    assert {each.strip().lower() for each in first.headers["vary"].split(",")} == {"origin", "cookie", "authorization"}
    again = await http.get(path, headers={**USER, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert {name: again.headers[name] for name in OF_A_304} == {name: first.headers[name] for name in OF_A_304}
    assert "date" in again.headers
    assert "content-type" not in again.headers


async def test_an_answer_that_has_changed_is_sent(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["CountUnread"] = CountUnreadResponse(unread_count=1)
    path = "/v1/notifications:countUnread"
    kept = (await http.get(path, headers=USER)).headers["etag"]
    services.answers["CountUnread"] = CountUnreadResponse(unread_count=2)
    answer = await http.get(path, headers={**USER, "if-none-match": kept})
    assert (answer.status_code, answer.json()["unreadCount"]) == (200, 2)
    assert answer.headers["etag"] != kept


async def test_tags_in_a_list_on_several_lines_and_a_star_are_understood(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    kept = (await http.get("/v1/users/me", headers=USER)).headers["etag"]
    for lines in (['"other"', f'"more", W/{kept}'], ["*"]):
        headers = [*USER.items(), *(("if-none-match", line) for line in lines)]
        assert (await http.get("/v1/users/me", headers=headers)).status_code == 304


async def test_a_304_tells_a_stranger_nothing(http: httpx.AsyncClient, services: StandIns) -> None:
    """G3: who asks is checked first, whatever tag they know; even a star finds nothing out."""
    services.answers["GetUser"] = User(id=USER_ID, name="Ann")
    kept = (await http.get(f"/v1/users/{USER_ID}", headers=ADMIN)).headers["etag"]
    refusal = PermissionDenied("NOT_YOURS", "user_id names another user")
    for tag in (kept, "*"):
        assert (await http.get(f"/v1/users/{USER_ID}", headers={"if-none-match": tag})).status_code == 401
        services.answers["GetUser"] = refusal
        assert (await http.get(f"/v1/users/{ADMIN_ID}", headers={**USER, "if-none-match": tag})).status_code == 403
        services.answers["GetUser"] = NotFound("USER_NOT_FOUND", "there is no such user")
        assert (await http.get("/v1/users/gone", headers={**ADMIN, "if-none-match": tag})).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/v1/users", ADMIN),
        ("GET", "/v1/notifications", USER),
        ("GET", "/v1/sessions", USER),
        ("GET", "/v1/logs", ADMIN),
        ("POST", "/v1/notifications:markAllRead", USER),
        ("GET", "/v1/users/me", {}),
        ("GET", "/v1/me", {}),
        ("GET", "/api/auth/get-session", USER),
    ],
)
async def test_lists_changes_refusals_and_whatever_signs_in_are_not_stored(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    """S5."""
    answer = await http.request(method, path, headers={**headers, "if-none-match": "*"})
    assert answer.status_code != 304
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


async def test_a_page_of_a_trusted_origin_may_read_the_tag_also_of_a_304(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    kept = (await http.get("/v1/users/me", headers=USER)).headers["etag"]
    answer = await http.get("/v1/users/me", headers={**USER, "origin": PAGE, "if-none-match": kept})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (304, PAGE)
    assert "etag" in answer.headers["access-control-expose-headers"]


async def test_the_description_says_where_a_304_may_come(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    for path in ("/v1/users/{userId}", "/v1/me", "/v1/notifications:countUnread"):
        operation = paths[path]["get"]
        assert "304" in operation["responses"]
        assert "ETag" in operation["responses"]["200"]["headers"]
        assert "If-None-Match" in {parameter["name"] for parameter in operation["parameters"]}
    assert "304" not in paths["/v1/notifications"]["get"]["responses"]
    assert "304" not in paths["/v1/users/{userId}"]["delete"]["responses"]
