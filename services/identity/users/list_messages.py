"""Converts the filter, the order and the page tokens of a list of users."""

from datetime import datetime

from runtime.errors import InvalidArgument
from services.identity.messages import decode_cursor, decode_id
from services.identity.users.messages import NAME_LENGTH, decode_role
from services.identity.users.users import Order, User, UserFilter
from trivet.identity.v1.user_service_pb2 import (
    USER_ORDER_CREATE_TIME_ASC,
    USER_ORDER_CREATE_TIME_DESC,
    USER_ORDER_EMAIL_ASC,
    USER_ORDER_EMAIL_DESC,
    USER_ORDER_NAME_ASC,
    USER_ORDER_NAME_DESC,
    USER_ORDER_UNSPECIFIED,
    ListUsersRequest,
    UserOrder,
)

ORDERS = {
    USER_ORDER_UNSPECIFIED: Order.NEWEST,
    USER_ORDER_CREATE_TIME_DESC: Order.NEWEST,
    USER_ORDER_CREATE_TIME_ASC: Order.OLDEST,
    USER_ORDER_EMAIL_ASC: Order.EMAIL,
    USER_ORDER_EMAIL_DESC: Order.EMAIL_BACKWARDS,
    USER_ORDER_NAME_ASC: Order.NAME,
    USER_ORDER_NAME_DESC: Order.NAME_BACKWARDS,
}


def decode_filter(request: ListUsersRequest) -> UserFilter:
    """Return which users to list. Raises InvalidArgument (INVALID_EMAIL_PREFIX, INVALID_QUERY, INVALID_ROLE)."""
    if "\0" in request.email_prefix:
        raise InvalidArgument("INVALID_EMAIL_PREFIX", "email_prefix must not contain NUL", field="email_prefix")
    if "\0" in request.query or len(request.query) > NAME_LENGTH:
        raise InvalidArgument(
            "INVALID_QUERY", f"query must have at most {NAME_LENGTH} characters, without NUL", field="query"
        )
    return UserFilter(
        request.email_prefix,
        decode_role(request.role) if request.role else None,
        request.banned if request.HasField("banned") else None,
        request.email_verified if request.HasField("email_verified") else None,
        request.query,
    )


def decode_order(number: UserOrder.ValueType) -> Order:
    """Return the order of a list. Raises InvalidArgument (INVALID_ORDER)."""
    if number not in ORDERS:
        raise InvalidArgument("INVALID_ORDER", "order must be a value of UserOrder", field="order")
    return ORDERS[number]


def encode_list_cursor(user: User, order: Order) -> list[str]:
    """Return the sort key of a user, for the page token: the value of the sorted column, and the id."""
    value = getattr(user, order.value[0])
    return [value.isoformat() if isinstance(value, datetime) else value, user.id]


def decode_list_cursor(after: list[str] | None, order: Order) -> tuple[datetime | str, str] | None:
    """Return the sort key in a page token, None for the first page. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    if after is None or order in (Order.NEWEST, Order.OLDEST):
        return decode_cursor(after)
    if len(after) != 2 or not all(isinstance(part, str) for part in after) or "\0" in after[0]:
        raise InvalidArgument("INVALID_PAGE_TOKEN", "page_token is not valid for this request", field="page_token")
    return after[0], decode_id(after[1])
