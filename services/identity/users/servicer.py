"""UserService: reading and changing users."""

from google.protobuf.empty_pb2 import Empty

from runtime.paging import Page, decode_token, encode_token, page_number, page_size
from runtime.rpc.actor import current_actor, subject
from services.identity.actors import deciding_actor
from services.identity.email.policy import EmailRules
from services.identity.messages import Context, decode_id
from services.identity.users.deletion import UserDeletion
from services.identity.users.list_messages import decode_filter, decode_list_cursor, decode_order, encode_list_cursor
from services.identity.users.messages import decode_changes, encode_user
from services.identity.users.users import User, Users, not_found
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_service_pb2 import (
    DeleteUserRequest,
    GetUserRequest,
    ListUsersRequest,
    ListUsersResponse,
    UpdateUserRequest,
)
from trivet.identity.v1.user_service_pb2_grpc import UserServiceServicer

DEFAULT_PAGE_SIZE = 20


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
        return encode_user(await self._users.update(user_id, *decode_changes(request)))

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
        wanted, order = decode_filter(request), decode_order(request.order)
        parts = (wanted.email_prefix, request.role, wanted.banned, wanted.query, wanted.email_verified)
        query = ("users", *parts, order.name)
        after = decode_list_cursor(decode_token(request.page_token, *query), order)
        offset = (page - 1) * limit if page else 0
        found = Page(limit, encode_user)

        async def find(few: int, behind: User | None) -> list[User]:
            if behind is None:
                return await self._users.list(wanted, order, few, after=after, offset=offset)
            return await self._users.list(wanted, order, few, after=(getattr(behind, order.value[0]), behind.id))

        await found.read(find)
        last = found.next_after
        token = encode_token(encode_list_cursor(last, order), *query) if last else ""
        total = await self._users.count(wanted) if page else 0
        return ListUsersResponse(users=found.messages, next_page_token=token, total_size=total)
