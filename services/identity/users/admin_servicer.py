"""UserAdminService: what only an administrator may change."""

from datetime import datetime, timedelta

from runtime.clock import Clock, utc_now
from runtime.errors import InvalidArgument
from services.identity.actors import deciding_actor
from services.identity.messages import Context, decode_id
from services.identity.users.administration import Administration
from services.identity.users.messages import ROLES_BY_NUMBER, encode_user
from trivet.identity.v1 import resources_pb2
from trivet.identity.v1.user_admin_service_pb2 import BanUserRequest, SetUserRoleRequest, UnbanUserRequest
from trivet.identity.v1.user_admin_service_pb2_grpc import UserAdminServiceServicer

LONGEST = timedelta(days=100 * 365)


class UserAdminServicer(UserAdminServiceServicer):
    def __init__(self, administration: Administration, *, now: Clock = utc_now) -> None:
        self._administration = administration
        self._now = now

    async def SetUserRole(self, request: SetUserRoleRequest, context: Context) -> resources_pb2.User:
        if request.role not in ROLES_BY_NUMBER:
            raise InvalidArgument("INVALID_ROLE", "role is none that we know", field="role")
        user_id, role = decode_id(request.user_id), ROLES_BY_NUMBER[request.role]
        return encode_user((await self._administration.set_role(user_id, role, actor=deciding_actor())).user)

    async def BanUser(self, request: BanUserRequest, context: Context) -> resources_pb2.User:
        until = self._until(request)
        user_id = decode_id(request.user_id)
        changed = await self._administration.ban(user_id, request.reason, until, actor=deciding_actor())
        return encode_user(changed.user)

    async def UnbanUser(self, request: UnbanUserRequest, context: Context) -> resources_pb2.User:
        return encode_user((await self._administration.unban(decode_id(request.user_id), actor=deciding_actor())).user)

    def _until(self, request: BanUserRequest) -> datetime | None:
        if not request.HasField("duration"):
            return None
        seconds = request.duration.seconds + request.duration.nanos / 1e9
        if not 1 <= seconds <= LONGEST.total_seconds():
            raise InvalidArgument("INVALID_DURATION", "duration must be 1 second to 100 years", field="duration")
        return self._now() + timedelta(seconds=seconds)
