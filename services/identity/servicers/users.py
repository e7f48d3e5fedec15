"""UserService: reading and changing users."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from google.protobuf.empty_pb2 import Empty

from runtime.actor import current_actor, subject
from runtime.errors import InvalidArgument
from runtime.paging import decode_token, encode_token, page_number, page_size
from services.identity.authentication import Authentication
from services.identity.cached import Cached
from services.identity.servicers.encoding import (
    ROLES_BY_NUMBER,
    Context,
    decode_id,
    decode_image,
    decode_name,
    encode_user,
)
from services.identity.servicers.sessions import decode_place
from services.identity.users import Filter, Order, User, Users, not_found, tag_of
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_service_pb2 import (
    USER_ORDER_CREATE_TIME_ASC,
    USER_ORDER_CREATE_TIME_DESC,
    USER_ORDER_EMAIL_ASC,
    USER_ORDER_EMAIL_DESC,
    USER_ORDER_UNSPECIFIED,
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    UpdateUserRequest,
)
from trivet.identity.v1.user_service_pb2_grpc import UserServiceServicer

NAMESPACE = "profiles"
MAX_AGE = timedelta(seconds=300)
DEFAULT_PAGE_SIZE = 20
CHANGEABLE = ("name", "image")
ORDERS = {
    USER_ORDER_UNSPECIFIED: Order.NEWEST,
    USER_ORDER_CREATE_TIME_DESC: Order.NEWEST,
    USER_ORDER_CREATE_TIME_ASC: Order.OLDEST,
    USER_ORDER_EMAIL_ASC: Order.EMAIL,
    USER_ORDER_EMAIL_DESC: Order.EMAIL_BACKWARDS,
}


class UserServicer(UserServiceServicer):
    def __init__(self, users: Users, authentication: Authentication, cached: Cached) -> None:
        self._users = users
        self._authentication = authentication
        self._cached = cached

    async def GetUser(self, request: GetUserRequest, context: Context) -> resources_pb2.User:
        user = await self._users.find(decode_id(request.user_id))
        if user is None:
            raise not_found()
        answer = encode_user(user)
        await self._cached.fill(NAMESPACE, user.id, answer, MAX_AGE, (tag_of(user.id),))
        return answer

    async def UpdateUser(self, request: UpdateUserRequest, context: Context) -> resources_pb2.User:
        user_id = decode_id(subject(request.user.id, "user.id"))
        return encode_user(await self._users.update(user_id, _changes(request)))

    async def DeleteUser(self, request: DeleteUserRequest, context: Context) -> Empty:
        user_id = decode_id(request.user_id)
        if request.HasField("password"):
            await self._authentication.verify_password(user_id, request.password)
        elif (actor := current_actor.get()).user_id == user_id:
            await self._authentication.verify_fresh(user_id, decode_id(actor.session_id))
        await self._users.delete(user_id)
        return Empty()

    async def ListUsers(self, request: ListUsersRequest, context: Context) -> ListUsersResponse:
        limit = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE_SIZE)
        page = page_number(request.page if request.HasField("page") else None, request.page_token)
        wanted, order = _filter(request), _order(request)
        query = ("users", wanted.email_prefix, request.role, wanted.banned, order.name)
        after = _place(decode_token(request.page_token, *query), order)
        offset = (page - 1) * limit if page else 0
        found = await self._users.list(wanted, order, limit + 1, after=after, offset=offset)
        token = encode_token(_key(found[limit - 1], order), *query) if len(found) > limit else ""
        total = await self._users.count(wanted) if page else 0
        return ListUsersResponse(users=map(encode_user, found[:limit]), next_page_token=token, total_size=total)


def _changes(request: UpdateUserRequest) -> dict[str, str | None]:
    """Return the new values of the columns that the mask names, or of all fields that are set without one."""
    user = request.user
    image = user.image if user.HasField("image") else None
    paths: Iterable[str] = request.update_mask.paths
    if not request.update_mask.paths:
        paths = [path for path, is_set in (("name", bool(user.name)), ("image", image is not None)) if is_set]
    changes: dict[str, str | None] = {}
    for path in paths:
        if path not in CHANGEABLE:
            raise InvalidArgument(
                "FIELD_NOT_CHANGEABLE", f"update_mask may hold {' and '.join(CHANGEABLE)}", field="update_mask"
            )
        changes[path] = decode_name(user.name, "user.name") if path == "name" else decode_image(image, "user.image")
    if not changes:
        raise InvalidArgument("NO_FIELDS_TO_UPDATE", "No fields to update", field="update_mask")
    return changes


def _filter(request: ListUsersRequest) -> Filter:
    if "\0" in request.email_prefix:
        raise InvalidArgument("INVALID_EMAIL_PREFIX", "email_prefix holds a NUL", field="email_prefix")
    if request.role and request.role not in ROLES_BY_NUMBER:
        raise InvalidArgument("INVALID_ROLE", "role is none that we know", field="role")
    return Filter(
        request.email_prefix,
        ROLES_BY_NUMBER.get(request.role),
        request.banned if request.HasField("banned") else None,
    )


def _order(request: ListUsersRequest) -> Order:
    if request.order not in ORDERS:
        raise InvalidArgument("INVALID_ORDER", "order is none that we know", field="order")
    return ORDERS[request.order]


def _key(user: User, order: Order) -> list[str]:
    by_email = order in (Order.EMAIL, Order.EMAIL_BACKWARDS)
    return [user.email if by_email else user.created_at.isoformat(), user.id]


def _place(after: list[str] | None, order: Order) -> tuple[datetime | str, str] | None:
    if after is None or order not in (Order.EMAIL, Order.EMAIL_BACKWARDS):
        return decode_place(after)
    if len(after) != 2 or not all(isinstance(part, str) for part in after) or "\0" in after[0]:
        raise InvalidArgument("INVALID_PAGE_TOKEN", "page_token is not one of ours", field="page_token")
    return after[0], decode_id(after[1])
