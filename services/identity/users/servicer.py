"""UserService: reading and changing users."""

from collections.abc import Iterable
from datetime import datetime
from itertools import compress
from typing import Any

from google.protobuf.empty_pb2 import Empty

from runtime.errors import InvalidArgument
from runtime.paging import Page, decode_token, encode_token, page_number, page_size
from runtime.rpc.actor import current_actor, subject
from services.identity.actors import deciding_actor
from services.identity.email.policy import EmailRules
from services.identity.messages import Context, decode_additional, decode_cursor, decode_id
from services.identity.users.custom_fields import of_users
from services.identity.users.deletion import UserDeletion
from services.identity.users.messages import NAME_LENGTH, ROLES_BY_NUMBER, decode_image, decode_name, encode_user
from services.identity.users.users import Filter, Order, User, Users, not_found
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_service_pb2 import (
    USER_ORDER_CREATE_TIME_ASC,
    USER_ORDER_CREATE_TIME_DESC,
    USER_ORDER_EMAIL_ASC,
    USER_ORDER_EMAIL_DESC,
    USER_ORDER_NAME_ASC,
    USER_ORDER_NAME_DESC,
    USER_ORDER_UNSPECIFIED,
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    UpdateUserRequest,
)
from trivet.identity.v1.user_service_pb2_grpc import UserServiceServicer

DEFAULT_PAGE_SIZE = 20
CHANGEABLE = ("name", "image", "additional")
ORDERS = {
    USER_ORDER_UNSPECIFIED: Order.NEWEST,
    USER_ORDER_CREATE_TIME_DESC: Order.NEWEST,
    USER_ORDER_CREATE_TIME_ASC: Order.OLDEST,
    USER_ORDER_EMAIL_ASC: Order.EMAIL,
    USER_ORDER_EMAIL_DESC: Order.EMAIL_BACKWARDS,
    USER_ORDER_NAME_ASC: Order.NAME,
    USER_ORDER_NAME_DESC: Order.NAME_BACKWARDS,
}


class UserServicer(UserServiceServicer):
    def __init__(self, users: Users, deletion: UserDeletion, rules: EmailRules) -> None:
        self._users = users
        self._deletion = deletion
        self._rules = rules

    async def GetUser(self, request: GetUserRequest, context: Context) -> resources_pb2.User:
        user = await self._users.find(decode_id(request.user_id))
        if user is None:
            raise not_found()
        return encode_user(user)

    async def UpdateUser(self, request: UpdateUserRequest, context: Context) -> resources_pb2.User:
        user_id = decode_id(subject(request.user.id, "user.id"))
        return encode_user(await self._users.update(user_id, *_changes(request)))

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> Empty:
        user_id = decode_id(request.user_id)
        actor = current_actor.get()
        password = request.password if request.HasField("password") else None
        session_id = None
        if actor.user_id == user_id:
            self._rules.admit_deletion_at_once()
            session_id = decode_id(actor.session_id) if password is None else None
        await self._deletion.delete(user_id, actor=deciding_actor(), password=password, session_id=session_id)
        return Empty()

    async def ListUsers(self, request: ListUsersRequest, context: Context) -> ListUsersResponse:
        limit = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE)
        page = page_number(request.page if request.HasField("page") else None, request.page_token)
        wanted, order = _filter(request), _order(request)
        parts = (wanted.email_prefix, request.role, wanted.banned, wanted.query, wanted.email_verified)
        query = ("users", *parts, order.name)
        after = _place(decode_token(request.page_token, *query), order)
        offset = (page - 1) * limit if page else 0
        found = Page(limit, encode_user)

        async def find(few: int, behind: User | None) -> list[User]:
            if behind is None:
                return await self._users.list(wanted, order, few, after=after, offset=offset)
            return await self._users.list(wanted, order, few, after=(getattr(behind, order.value[0]), behind.id))

        await found.read(find)
        last = found.next_after
        token = encode_token(_key(last, order), *query) if last else ""
        total = await self._users.count(wanted) if page else 0
        return ListUsersResponse(users=found.messages, next_page_token=token, total_size=total)


def _changes(request: UpdateUserRequest) -> tuple[dict[str, str | None], dict[str, Any]]:
    """Return the new values of what the mask names, or of all that is set without one: columns and additional ones."""
    user = request.user
    additional: dict[str, Any] = {}
    image = user.image if user.HasField("image") else None
    paths: Iterable[str] = request.update_mask.paths
    if not request.update_mask.paths:
        is_set = (bool(user.name), image is not None, user.HasField("additional"))
        paths = compress(CHANGEABLE, is_set)
    changes: dict[str, str | None] = {}
    for path in paths:
        if path not in CHANGEABLE:
            raise InvalidArgument(
                "FIELD_NOT_CHANGEABLE", f"update_mask may hold {', '.join(CHANGEABLE)}", field="update_mask"
            )
        if path == "additional":
            additional = decode_additional(user.additional, of_users, "user.additional")
        else:
            changes[path] = decode_name(user.name, "user.name") if path == "name" else decode_image(image, "user.image")
    if not changes and not additional:
        raise InvalidArgument("NO_FIELDS_TO_UPDATE", "No fields to update", field="update_mask")
    return changes, additional


def _filter(request: ListUsersRequest) -> Filter:
    if "\0" in request.email_prefix:
        raise InvalidArgument("INVALID_EMAIL_PREFIX", "email_prefix holds a NUL", field="email_prefix")
    if "\0" in request.query or len(request.query) > NAME_LENGTH:
        raise InvalidArgument("INVALID_QUERY", f"query may have {NAME_LENGTH} characters, none a NUL", field="query")
    if request.role and request.role not in ROLES_BY_NUMBER:
        raise InvalidArgument("INVALID_ROLE", "role is none that we know", field="role")
    return Filter(
        request.email_prefix,
        ROLES_BY_NUMBER.get(request.role),
        request.banned if request.HasField("banned") else None,
        request.email_verified if request.HasField("email_verified") else None,
        request.query,
    )


def _order(request: ListUsersRequest) -> Order:
    if request.order not in ORDERS:
        raise InvalidArgument("INVALID_ORDER", "order is none that we know", field="order")
    return ORDERS[request.order]


def _key(user: User, order: Order) -> list[str]:
    value = getattr(user, order.value[0])
    return [value.isoformat() if isinstance(value, datetime) else value, user.id]


def _place(after: list[str] | None, order: Order) -> tuple[datetime | str, str] | None:
    if after is None or order in (Order.NEWEST, Order.OLDEST):
        return decode_cursor(after)
    if len(after) != 2 or not all(isinstance(part, str) for part in after) or "\0" in after[0]:
        raise InvalidArgument("INVALID_PAGE_TOKEN", "page_token is not one of ours", field="page_token")
    return after[0], decode_id(after[1])
