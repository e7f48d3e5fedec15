"""UserAdminService: changes that only administrators can make."""

from runtime.clock import Clock, utc_now
from services.identity.actors import deciding_actor
from services.identity.messages import Context, decode_id
from services.identity.users.administration import Administration
from services.identity.users.messages import decode_ban_duration, decode_role, encode_user
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_admin_service_pb2 import BanUserRequest, SetUserRoleRequest, UnbanUserRequest
from trivet.identity.v1.user_admin_service_pb2_grpc import UserAdminServiceServicer


class UserAdminServicer(UserAdminServiceServicer):
    def __init__(self, administration: Administration, *, now: Clock = utc_now) -> None:
        self._administration = administration
        self._now = now

    async def SetUserRole(self, request: SetUserRoleRequest, context: Context) -> resources_pb2.User:
        user_id, role = decode_id(request.user_id), decode_role(request.role)
        return encode_user((await self._administration.set_role(user_id, role, actor=deciding_actor())).user)

    async def BanUser(self, request: BanUserRequest, context: Context) -> resources_pb2.User:
        until = self._now() + decode_ban_duration(request.duration) if request.HasField("duration") else None
        user_id = decode_id(request.user_id)
        changed = await self._administration.ban(user_id, request.reason, until, actor=deciding_actor())
        return encode_user(changed.user)

    async def UnbanUser(self, request: UnbanUserRequest, context: Context) -> resources_pb2.User:
        return encode_user((await self._administration.unban(decode_id(request.user_id), actor=deciding_actor())).user)
