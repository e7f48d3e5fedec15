"""Serves UserService and UserAdminService."""

from runtime.rpc.server import Server
from services.identity.email.policy import EmailRules
from services.identity.stores import Stores
from services.identity.users.admin_servicer import UserAdminServicer
from services.identity.users.servicer import UserServicer
from services.identity.wiring import UseCases
from trivet.identity.v1.user_admin_service_pb2_grpc import add_UserAdminServiceServicer_to_server
from trivet.identity.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server


def add_users(server: Server, stores: Stores, cases: UseCases, rules: EmailRules) -> None:
    servicer = UserServicer(stores.users, cases.deletion, rules)
    server.add("trivet.identity.v1.UserService", add_UserServiceServicer_to_server, servicer)
    administration = UserAdminServicer(cases.administration)
    server.add("trivet.identity.v1.UserAdminService", add_UserAdminServiceServicer_to_server, administration)
