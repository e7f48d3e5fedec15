"""Serves AuthService."""

from runtime.rpc.server import Server
from services.identity.passwords.servicer import AuthServicer
from services.identity.stores import Stores
from services.identity.wiring import UseCases
from trivet.identity.v1.auth_service_pb2_grpc import add_AuthServiceServicer_to_server


def add_passwords(server: Server, stores: Stores, cases: UseCases) -> None:
    servicer = AuthServicer(cases.sign_up, cases.authentication, stores.sessions)
    server.add("trivet.identity.v1.AuthService", add_AuthServiceServicer_to_server, servicer)
