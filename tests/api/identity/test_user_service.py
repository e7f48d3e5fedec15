"""UserService over gRPC."""

from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from runtime.ids import new_id
from tests.api.identity.conftest import PASSWORD, Api, failure
from trivet.client import acting_for, reason_of
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_service_pb2 import (
    USER_ORDER_EMAIL_ASC,
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    UpdateUserRequest,
)


def _update(user_id: str, *paths: str, **fields: Any) -> UpdateUserRequest:
    return UpdateUserRequest(user=resources_pb2.User(id=user_id, **fields), update_mask=FieldMask(paths=paths))


async def test_a_user_is_read(api: Api) -> None:
    made = await api.sign_up()
    assert await api.users.GetUser(GetUserRequest(user_id=made.user.id)) == made.user


@pytest.mark.parametrize("user_id", ["a" * 32, "nobody", "é", "x" * 1000, "a b", "' OR 1=1 --", "\0"])
async def test_an_unknown_user_is_not_found(api: Api, user_id: str) -> None:
    """I2: whatever the id looks like."""
    expected = ("NOT_FOUND", "USER_NOT_FOUND")
    assert await failure(api.users.GetUser(GetUserRequest(user_id=user_id))) == expected
    assert await failure(api.users.DeleteUser(DeleteUserRequest(user_id=user_id))) == expected
    assert await failure(api.users.UpdateUser(_update(user_id, name="Bob"))) == expected


async def test_an_id_with_a_space_at_its_end_is_another(api: Api) -> None:
    made = await api.sign_up()
    call = api.users.GetUser(GetUserRequest(user_id=made.user.id + " "))
    assert await failure(call) == ("NOT_FOUND", "USER_NOT_FOUND")


async def test_the_mask_says_what_changes(api: Api) -> None:
    made = await api.sign_up()
    user_id = made.user.id
    changed = await api.users.UpdateUser(_update(user_id, "image", name="ignored", image="https://x.io/a"))
    assert (changed.name, changed.image) == ("Ann", "https://x.io/a")
    changed = await api.users.UpdateUser(_update(user_id, name="Zoë"))
    assert (changed.name, changed.image) == ("Zoë", "https://x.io/a")
    changed = await api.users.UpdateUser(_update(user_id, "image"))
    assert not changed.HasField("image")


@pytest.mark.parametrize(
    ("paths", "fields", "reason"),
    [
        (("role",), {"role": resources_pb2.ROLE_ADMIN}, "FIELD_NOT_CHANGEABLE"),
        (("email",), {"email": "new@x.io"}, "FIELD_NOT_CHANGEABLE"),
        (("nonsense",), {}, "FIELD_NOT_CHANGEABLE"),
        ((), {"role": resources_pb2.ROLE_ADMIN, "banned": True}, "NO_FIELDS_TO_UPDATE"),
        ((), {}, "NO_FIELDS_TO_UPDATE"),
        (("name",), {}, "INVALID_NAME"),
        ((), {"image": "x" * 2049}, "INVALID_IMAGE"),
    ],
)
async def test_what_cannot_be_changed_is_refused(
    api: Api, paths: tuple[str, ...], fields: dict[str, Any], reason: str
) -> None:
    """I5: nobody gives themselves a role."""
    made = await api.sign_up()
    call = api.users.UpdateUser(_update(made.user.id, *paths, **fields))
    assert await failure(call) == ("INVALID_ARGUMENT", reason)
    assert await api.users.GetUser(GetUserRequest(user_id=made.user.id)) == made.user


async def test_people_see_and_change_themselves_and_administrators_everybody(api: Api) -> None:
    """I6."""
    ann, bob = await api.sign_up(), await api.sign_up()
    with acting_for(bob.user.id, "user"):
        for call in (
            api.users.GetUser(GetUserRequest(user_id=ann.user.id)),
            api.users.UpdateUser(_update(ann.user.id, name="Mallory")),
            api.users.DeleteUser(DeleteUserRequest(user_id=ann.user.id)),
        ):
            assert await failure(call) == ("PERMISSION_DENIED", "NOT_YOURS")
        assert await failure(api.users.ListUsers(ListUsersRequest())) == ("PERMISSION_DENIED", "ADMIN_REQUIRED")
        assert (await api.users.UpdateUser(_update("", name="Bob"))).id == bob.user.id
    with acting_for(bob.user.id, "admin"):
        await api.users.UpdateUser(_update(ann.user.id, name="Anna"))
        await api.users.DeleteUser(DeleteUserRequest(user_id=ann.user.id))


async def test_a_removal_may_ask_for_the_password(api: Api) -> None:
    made = await api.sign_up()
    wrong = DeleteUserRequest(user_id=made.user.id, password="wrong horse")
    assert await failure(api.users.DeleteUser(wrong)) == ("INVALID_ARGUMENT", "INVALID_PASSWORD")
    await api.users.DeleteUser(DeleteUserRequest(user_id=made.user.id, password=PASSWORD))
    gone = GetUserRequest(user_id=made.user.id)
    assert await failure(api.users.GetUser(gone)) == ("NOT_FOUND", "USER_NOT_FOUND")


async def test_users_are_listed_by_token_and_by_number(api: Api) -> None:
    emails = [f"list-{letter}@x.io" for letter in "edcba"]
    for email in emails:
        await api.sign_up(email)
    wanted: dict[str, Any] = {"email_prefix": "LIST-", "order": USER_ORDER_EMAIL_ASC, "page_size": 2}
    found, token = [], ""
    while True:
        page = await api.users.ListUsers(ListUsersRequest(page_token=token, **wanted))
        found += [user.email for user in page.users]
        if not (token := page.next_page_token):
            break
    assert found == sorted(emails)
    second = await api.users.ListUsers(ListUsersRequest(page=2, **wanted))
    assert [user.email for user in second.users] == found[2:4]
    assert second.total_size == 5
    assert not (await api.users.ListUsers(ListUsersRequest(page=4, **wanted))).users


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"page_size": 0}, "INVALID_PAGE_SIZE"),
        ({"page_size": 10_001}, "INVALID_PAGE_SIZE"),
        ({"page": 0}, "INVALID_PAGE"),
        ({"page": 1, "page_token": "x"}, "INVALID_PAGE"),
        ({"page_token": "nonsense"}, "INVALID_PAGE_TOKEN"),
        ({"order": 77}, "INVALID_ORDER"),
        ({"role": 77}, "INVALID_ROLE"),
        ({"email_prefix": "\0"}, "INVALID_EMAIL_PREFIX"),
    ],
)
async def test_a_list_out_of_range_is_refused(api: Api, fields: dict[str, Any], reason: str) -> None:
    assert await failure(api.users.ListUsers(ListUsersRequest(**fields))) == ("INVALID_ARGUMENT", reason)


async def test_people_remove_themselves_by_password_or_from_a_fresh_session(api: Api) -> None:
    """S7: a session that identity does not know as fresh is no proof; administrators and services need none."""
    ann, bob, eve = await api.sign_up(), await api.sign_up(), await api.sign_up()
    for session_id in ("", new_id(), bob.session.id):
        with acting_for(ann.user.id, "user", session_id):
            call = api.users.DeleteUser(DeleteUserRequest(user_id=ann.user.id))
            assert await failure(call) == ("FAILED_PRECONDITION", "SESSION_NOT_FRESH")
    with acting_for(eve.user.id, "admin"):
        call = api.users.DeleteUser(DeleteUserRequest(user_id=eve.user.id))
        assert await failure(call) == ("FAILED_PRECONDITION", "SESSION_NOT_FRESH"), "an administrator is a person too"
        await api.users.DeleteUser(DeleteUserRequest(user_id=bob.user.id))
    with acting_for(ann.user.id, "user", ann.session.id):
        await api.users.DeleteUser(DeleteUserRequest(user_id=ann.user.id))
    with acting_for(eve.user.id, "user"):
        await api.users.DeleteUser(DeleteUserRequest(user_id=eve.user.id, password=PASSWORD))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"name": "a\0b"}, "INVALID_NAME"), ({"name": "\x1b[2J"}, "INVALID_NAME"), ({"image": "a\nb"}, "INVALID_IMAGE")],
)
async def test_a_control_character_is_named_as_what_is_wrong(api: Api, fields: dict[str, Any], reason: str) -> None:
    """I7."""
    made = await api.sign_up()
    with pytest.raises(grpc.aio.AioRpcError, match="control characters") as refused:
        await api.users.UpdateUser(_update(made.user.id, **fields))
    assert reason_of(refused.value) == reason
