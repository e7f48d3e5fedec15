"""A product's own fields, declared in settings: over the protocol, over /v1, and where they are refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, PASSWORD, Site, browser, new_email, running_site
from tests.conftest import Engines
from tests.harness.processes import Process

USER_FIELDS = {
    "phone": {"type": "string"},
    "age": {"type": "number", "defaultValue": 7},
    "born": {"type": "date"},
    "tags": {"type": "string[]"},
    "scores": {"type": "number[]"},
    "happy": {"type": "boolean"},
    "tier": {"type": "string", "input": False, "defaultValue": "free"},
    "staff": {"type": "boolean", "input": False},
    "secret": {"type": "string", "returned": False},
}
SESSION_FIELDS = {
    "theme": {"type": "string"},
    "kind": {"type": "string", "defaultValue": "web"},
    "scope": {"type": "string", "input": False},
    "note": {"type": "string", "returned": False},
}
DECLARED = {"TRIVET_USER_FIELDS": json.dumps(USER_FIELDS), "TRIVET_SESSION_FIELDS": json.dumps(SESSION_FIELDS)}
UNSET = {"phone": None, "age": 7, "born": None, "tags": None, "scores": None, "happy": None}
UNSET_BUT_READ_ONLY = {"tier": "free", "staff": None}
NOTHING = {"message": "No fields to update"}


@pytest.fixture(scope="module")
def fielded_site(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("fields"), engine.get("valkey").url, **DECLARED) as running:
        yield running


@pytest.fixture(scope="module")
def fielded(fielded_site: Site) -> Iterator[Process]:
    with fielded_site.gateway(TRIVET_BASE_URL=ORIGIN, **DECLARED) as running:
        yield running


@pytest.fixture
def page(fielded: Process) -> Iterator[httpx.Client]:
    with browser(fielded) as opened:
        yield opened


def sign_up(client: httpx.Client, **extra: Any) -> httpx.Response:
    body = {"name": "Ann", "email": new_email(), "password": PASSWORD}
    return client.post("/sign-up/email", json=body | extra)


def user_of(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get("/get-session").json()["user"])


def own(thing: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in thing.items() if name in fields}


def v1(client: httpx.Client, method: str, path: str, **extra: Any) -> httpx.Response:
    return client.request(method, str(client.base_url).replace("/api/auth/", path), **extra)


def test_what_is_declared_is_taken_at_sign_up_kept_and_answered(page: httpx.Client) -> None:
    given = {"phone": "+1", "age": 3, "born": "2020-01-31", "tags": ["a", "b"], "scores": [1, 2.5], "happy": True}
    answer = sign_up(page, **given, secret="hush", undeclared="x")
    wanted = given | {"born": "2020-01-31T00:00:00.000Z"} | UNSET_BUT_READ_ONLY
    assert answer.status_code == 200, answer.text
    assert own(answer.json()["user"], USER_FIELDS) == wanted
    found = user_of(page)
    assert own(found, USER_FIELDS) == wanted
    assert "undeclared" not in found
    assert "3.0" not in answer.text, "a whole number is written as one"


def test_what_is_not_given_is_null_or_its_default(page: httpx.Client) -> None:
    answer = sign_up(page, age=None)
    assert own(answer.json()["user"], USER_FIELDS) == UNSET | {"age": None} | UNSET_BUT_READ_ONLY
    assert own(sign_up(page).json()["user"], USER_FIELDS) == UNSET | UNSET_BUT_READ_ONLY
    session = page.get("/get-session").json()["session"]
    assert own(session, SESSION_FIELDS) == {"theme": None, "kind": "web", "scope": None}


@pytest.mark.parametrize("path", ["/sign-up/email", "/update-user"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"phone": 5}, "[body.phone] Invalid input: expected string, received number"),
        ({"phone": {"$ne": None}}, "[body.phone] Invalid input: expected string, received object"),
        ({"age": "3"}, "[body.age] Invalid input: expected number, received string"),
        ({"age": True}, "[body.age] Invalid input: expected number, received boolean"),
        ({"born": "soon"}, "[body.born] Invalid input: expected date, received string"),
        ({"tags": "a"}, "[body.tags] Invalid input: expected array, received string"),
        ({"tags": ["a", 1]}, "[body.tags.1] Invalid input: expected string, received number"),
        (
            {"happy": "yes", "scores": [None]},
            "[body.happy] Invalid input: expected boolean, received string; "
            "[body.scores.0] Invalid input: expected number, received null",
        ),
    ],
)
def test_a_value_of_another_type_is_refused_by_the_fields_name(
    page: httpx.Client, path: str, given: dict[str, Any], message: str
) -> None:
    """I1, I5."""
    sign_up(page)
    body = {"name": "Ann", "email": new_email(), "password": PASSWORD} if path == "/sign-up/email" else {}
    answer = page.post(path, json=body | given)
    assert (answer.status_code, answer.json()) == (400, {"message": message, "code": "VALIDATION_ERROR"})


def test_what_people_may_not_set_is_refused(page: httpx.Client) -> None:
    """I5: at sign-up a default stands instead; what JavaScript takes for nothing is overlooked."""
    refused = {"message": "staff is not allowed to be set", "code": "FIELD_NOT_ALLOWED"}
    answer = sign_up(page, staff=True)
    assert (answer.status_code, answer.json()) == (400, refused)
    answer = sign_up(page, tier="gold", staff=False)
    assert own(answer.json()["user"], {"tier": 1, "staff": 1}) == UNSET_BUT_READ_ONLY
    assert page.post("/update-user", json={"staff": True, "name": "B"}).json() == refused
    tier = page.post("/update-user", json={"tier": "gold"})
    assert tier.json() == {"message": "tier is not allowed to be set", "code": "FIELD_NOT_ALLOWED"}
    assert page.post("/update-user", json={"staff": False}).json() == NOTHING
    assert own(user_of(page), UNSET_BUT_READ_ONLY) == UNSET_BUT_READ_ONLY


@pytest.mark.parametrize("field", ["role", "emailVerified", "banned", "id", "createdAt", "banReason", "undeclared"])
def test_what_is_nobodys_field_is_still_dropped(page: httpx.Client, field: str) -> None:
    """I5: declaring fields opens no other."""
    before = sign_up(page, **{field: "2000-01-01T00:00:00.000Z"}).json()["user"]
    assert page.post("/update-user", json={field: "x"}).json() == NOTHING
    assert user_of(page) == before
    assert "undeclared" not in before


def test_over_v1_people_set_no_more_than_over_the_protocol(page: httpx.Client) -> None:
    """I5: the same rules, held by identity, whatever way the value comes."""
    user = sign_up(page, secret="hush").json()["user"]
    path = f"/v1/users/{user['id']}"
    for additional, reason in (
        ({"tier": "gold"}, "FIELD_NOT_ALLOWED"),
        ({"staff": True}, "FIELD_NOT_ALLOWED"),
        ({"role": "admin"}, "UNKNOWN_FIELD"),
        ({"phone": 5}, "INVALID_FIELD"),
        ({"phone": "x" * 17_000}, "ADDITIONAL_TOO_LARGE"),
    ):
        answer = v1(page, "PATCH", path, json={"additional": additional})
        assert (answer.status_code, reason in answer.text) == (400, True), answer.text
    assert v1(page, "PATCH", path, json={"additional": {"phone": "+2"}}).json()["additional"]["phone"] == "+2"
    seen = v1(page, "GET", path)
    assert seen.json()["additional"] == UNSET | {"phone": "+2"} | UNSET_BUT_READ_ONLY
    assert "hush" not in seen.text + v1(page, "GET", "/v1/me").text


def test_an_update_changes_what_it_names_and_leaves_the_rest(page: httpx.Client) -> None:
    before = sign_up(page, phone="+1", tags=["a"]).json()["user"]
    assert page.post("/update-user", json={"phone": "+2"}).json() == {"status": True}
    assert page.post("/update-user", json={"age": 4, "name": "Bob"}).json() == {"status": True}
    after = user_of(page)
    assert {name for name in after if after[name] != before[name]} == {"phone", "age", "name", "updatedAt"}
    assert (after["phone"], after["age"], after["tags"]) == ("+2", 4, ["a"])
    assert page.post("/update-user", json={"phone": None}).json() == {"status": True}
    assert user_of(page)["phone"] is None


def test_a_session_has_fields_of_its_own(page: httpx.Client) -> None:
    sign_up(page)
    before = page.get("/get-session").json()["session"]
    answer = page.post("/update-session", json={"theme": "dark", "note": "hush", "userId": "x", "undeclared": 1})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"session": before | {"theme": "dark"}}
    (kept,) = answer.headers.get_list("set-cookie")
    assert kept.startswith("better-auth.session_token=")
    assert "; Max-Age=604800; " in kept
    assert answer.headers["set-auth-token"].startswith(before["token"])
    assert page.post("/update-session", json={"kind": "app"}).json()["session"]["theme"] == "dark"
    assert page.get("/get-session").json()["session"] == before | {"theme": "dark", "kind": "app"}
    (listed,) = page.get("/list-sessions").json()
    assert listed == before | {"theme": "dark", "kind": "app"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, NOTHING),
        ({"undeclared": 1, "expiresAt": "2099-01-01T00:00:00.000Z", "token": "x"}, 400, NOTHING),
        ({"scope": ""}, 400, NOTHING),
        ({"scope": "all"}, 400, {"message": "scope is not allowed to be set", "code": "FIELD_NOT_ALLOWED"}),
        (
            {"theme": 5},
            400,
            {"message": "[body.theme] Invalid input: expected string, received number", "code": "VALIDATION_ERROR"},
        ),
        ([], 400, {"message": "[body] Invalid input: expected record, received array", "code": "VALIDATION_ERROR"}),
    ],
)
def test_what_a_session_cannot_be_updated_with(page: httpx.Client, body: object, status: int, said: object) -> None:
    """I5."""
    sign_up(page)
    answer = page.post("/update-session", json=body)
    assert (answer.status_code, answer.json()) == (status, said)


def test_nobody_and_nobodys_session_have_nothing_to_update(page: httpx.Client, fielded_site: Site) -> None:
    assert page.post("/update-session", json={"theme": "dark"}).json()["code"] == "UNAUTHORIZED"
    user = sign_up(page).json()["user"]
    assert page.get("/get-session").json() is not None  # in the cache from now on
    fielded_site.execute("delete from sessions where user_id = ?", user["id"])
    answer = page.post("/update-session", json={"theme": "dark"})
    said = {"message": "Failed to get session", "code": "FAILED_TO_GET_SESSION"}
    assert (answer.status_code, answer.json()) == (401, said)
    assert all("Max-Age=0" in cookie for cookie in answer.headers.get_list("set-cookie"))


def test_a_field_that_must_be_given_is_missed_at_sign_up_only(fielded_site: Site) -> None:
    must = {
        "plan": {"type": "string", "required": True},
        "size": {"type": "number", "required": True, "defaultValue": 1},
    }
    declared = {"TRIVET_BASE_URL": ORIGIN, "TRIVET_USER_FIELDS": json.dumps(must)}
    with fielded_site.gateway(**declared) as gateway, browser(gateway) as client:
        answer = sign_up(client)
    assert (answer.status_code, answer.json()) == (400, {"message": "plan is required", "code": "MISSING_FIELD"})


def test_without_the_settings_there_are_none(client: httpx.Client) -> None:
    answer = sign_up(client, phone="+1")
    assert answer.json()["user"].keys() & USER_FIELDS.keys() == set()
    assert client.post("/update-session", json={"theme": "dark"}).json() == NOTHING


def test_what_is_declared_in_a_wrong_way_is_told_by_name_before_anything_starts(site: Site, tmp_path: Path) -> None:
    wrong = {"TRIVET_USER_FIELDS": '{"role":{"type":"string"}}', "TRIVET_SESSION_FIELDS": '{"a":{"type":"json"}}'}
    with pytest.raises(RuntimeError) as refused, site.gateway(**wrong):
        pass
    assert "TRIVET_USER_FIELDS: role is a reserved name" in str(refused.value)
    assert "TRIVET_SESSION_FIELDS: a: type must be one of string, number" in str(refused.value)
