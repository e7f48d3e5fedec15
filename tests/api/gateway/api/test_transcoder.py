"""HTTP to RPC and back: what goes where, who is said to call, and what comes out."""

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.api.gateway.stand_ins import ADMIN, ADMIN_ID, USER, USER_ID, StandIns
from trivet.identity.v1.resources_pb2 import ROLE_USER, User
from trivet.notifications.v1.log_service_pb2 import LOG_LEVEL_ERROR, LOG_LEVEL_WARNING
from trivet.notifications.v1.notification_service_pb2 import ListNotificationsResponse, Notification
from trivet.notifications.v1.resources_pb2 import NOTIFICATION_TYPE_EMAIL


async def test_a_path_variable_reaches_the_rpc(http: httpx.AsyncClient, services: StandIns) -> None:
    answer = await http.get("/v1/notifications/n1", headers=USER)
    assert answer.status_code == 200
    assert services.last("GetNotification").request.notification_id == "n1"


async def test_a_percent_encoded_slash_and_colon_stay_inside_their_segment(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await http.get("/v1/notifications/a%2Fb%3AmarkRead", headers=USER)
    assert services.last("GetNotification").request.notification_id == "a/b:markRead"


async def test_a_custom_verb_is_not_taken_for_a_part_of_the_id(http: httpx.AsyncClient, services: StandIns) -> None:
    await http.post("/v1/notifications/n1:markRead", headers=USER)
    assert services.last("MarkRead").request.notification_id == "n1"
    assert (await http.post("/v1/notifications/n1:nonsense", headers=USER)).status_code == 404


async def test_the_call_is_made_in_the_name_of_who_is_signed_in(http: httpx.AsyncClient, services: StandIns) -> None:
    await http.get("/v1/notifications", headers=USER)
    actor = services.last("ListNotifications").actor
    assert (actor.caller, actor.user_id, actor.role) == ("gateway", USER_ID, "user")
    await http.get("/v1/users", headers=ADMIN)
    assert services.last("ListUsers").actor.is_admin


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": f"Bearer {'x' * 32}"}, {"cookie": "better-auth.session_token=x"}]
)
async def test_nobody_calls_without_a_session(
    http: httpx.AsyncClient, services: StandIns, headers: dict[str, str]
) -> None:
    answer = await http.get("/v1/notifications", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert all(call.name != "ListNotifications" for call in services.calls)


async def test_me_is_the_callers_own_id(http: httpx.AsyncClient, services: StandIns) -> None:
    await http.get("/v1/users/me", headers=USER)
    assert services.last("GetUser").request.user_id == USER_ID
    await http.patch("/v1/users/me", headers=ADMIN, json={"name": "Ada"})
    assert services.last("UpdateUser").request.user.id == ADMIN_ID


async def test_path_beats_query_and_query_beats_body(http: httpx.AsyncClient, services: StandIns) -> None:
    query = {"user.id": "by-query", "user.name": "by-query", "updateMask": "name,image"}
    await http.patch(
        "/v1/users/by-path", headers=USER, params=query, json={"id": "by-body", "name": "by-body", "image": "i"}
    )
    request = services.last("UpdateUser").request
    assert (request.user.id, request.user.name, request.user.image) == ("by-path", "by-query", "i")
    assert list(request.update_mask.paths) == ["name", "image"]


async def test_every_kind_of_query_parameter_is_understood(http: httpx.AsyncClient, services: StandIns) -> None:
    query = "levels=LOG_LEVEL_ERROR&levels=LOG_LEVEL_WARNING&startTime=2026-01-02T03:04:05.678Z&page_size=7&text=a%20b"
    answer = await http.get(f"/v1/logs?{query}", headers=ADMIN)
    assert answer.status_code == 200
    request = services.last("QueryLogs").request
    assert list(request.levels) == [LOG_LEVEL_ERROR, LOG_LEVEL_WARNING]
    assert request.start_time.ToJsonString() == "2026-01-02T03:04:05.678Z"
    assert (request.page_size, request.text) == (7, "a b")


@pytest.mark.parametrize("levels", ["levels=LOG_LEVEL_ERROR&levels=LOG_LEVEL_WARNING", "levels=4&levels=3"])
async def test_enums_are_words_or_numbers(http: httpx.AsyncClient, services: StandIns, levels: str) -> None:
    assert (await http.get(f"/v1/logs?{levels}", headers=ADMIN)).status_code == 200
    assert list(services.last("QueryLogs").request.levels) == [LOG_LEVEL_ERROR, LOG_LEVEL_WARNING]


@pytest.mark.parametrize("mask", ["emailVerified,name", "email_verified,name", "email_verified%2Cname"])
@pytest.mark.parametrize("name", ["updateMask", "update_mask"])
async def test_a_mask_names_fields_in_either_spelling(
    http: httpx.AsyncClient, services: StandIns, name: str, mask: str
) -> None:
    answer = await http.patch(f"/v1/users/u1?{name}={mask}", headers=USER, json={"name": "Ann"})
    assert answer.status_code == 200
    assert list(services.last("UpdateUser").request.update_mask.paths) == ["email_verified", "name"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
async def test_booleans_are_words(http: httpx.AsyncClient, services: StandIns, text: str, value: bool) -> None:
    await http.get(f"/v1/users?banned={text}", headers=ADMIN)
    request = services.last("ListUsers").request
    assert request.HasField("banned")
    assert request.banned is value


async def test_zero_differs_from_nothing_where_the_proto_says_optional(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    await http.get("/v1/notifications?pageSize=0", headers=USER)
    assert services.last("ListNotifications").request.HasField("page_size")
    await http.get("/v1/notifications", headers=USER)
    assert not services.last("ListNotifications").request.HasField("page_size")


async def test_a_body_of_one_field_leaves_the_others_to_the_query(http: httpx.AsyncClient, services: StandIns) -> None:
    body = {"userId": USER_ID, "title": "Hi", "type": "NOTIFICATION_TYPE_EMAIL", "data": {"n": [1, None, {"x": True}]}}
    await http.post("/v1/notifications?ttl=90s&requestId=r1", headers=USER, json=body)
    request = services.last("CreateNotification").request
    assert (request.ttl.seconds, request.request_id) == (90, "r1")
    assert request.notification.type == NOTIFICATION_TYPE_EMAIL
    assert request.notification.data["n"][2]["x"] is True


async def test_an_idempotency_key_is_the_request_id_of_a_create_that_names_none(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    headers = {**USER, "idempotency-key": "key-1"}
    await http.post("/v1/notifications", headers=headers, json={"userId": USER_ID, "title": "t"})
    assert services.last("CreateNotification").request.request_id == "key-1"
    await http.post("/v1/notifications?requestId=own", headers=headers, json={"userId": USER_ID, "title": "t"})
    assert services.last("CreateNotification").request.request_id == "own"
    answer = await http.post(
        "/v1/notifications", headers={**USER, "idempotency-key": "k" * 129}, json={"userId": USER_ID, "title": "t"}
    )
    assert answer.status_code == 400


async def test_an_answer_names_every_field_but_those_that_are_not_there(
    http: httpx.AsyncClient, services: StandIns
) -> None:
    services.answers["GetUser"] = User(
        id="u1", role=ROLE_USER, create_time=Timestamp(seconds=1_700_000_000, nanos=7_000_000)
    )
    answer = await http.get("/v1/users/u1", headers=USER)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "id": "u1",
        "email": "",
        "emailVerified": False,
        "name": "",
        "role": "ROLE_USER",
        "banned": False,
        "banReason": "",
        "createTime": "2023-11-14T22:13:20.007Z",
    }


async def test_a_list_that_is_empty_is_an_empty_list(http: httpx.AsyncClient, services: StandIns) -> None:
    services.answers["ListNotifications"] = ListNotificationsResponse()
    assert (await http.get("/v1/notifications", headers=USER)).json() == {"notifications": [], "nextPageToken": ""}
    services.answers["ListNotifications"] = ListNotificationsResponse(
        notifications=[Notification(id="n")], total_size=0
    )
    answer = (await http.get("/v1/notifications", headers=USER)).json()
    assert answer["totalSize"] == 0
    assert answer["notifications"][0]["id"] == "n"


async def test_an_empty_answer_is_an_empty_object(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/v1/notifications/n1", headers=USER)).json() == {}


async def test_statistics_of_the_cache_are_reached_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/cache:stats", headers=ADMIN)).json() == {"namespaces": []}
