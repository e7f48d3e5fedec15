"""Serves SessionService."""

from runtime.rpc.server import Server
from services.identity.sessions.servicer import SessionServicer
from services.identity.stores import Stores
from trivet.identity.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server


def add_sessions(server: Server, stores: Stores) -> None:
    servicer = SessionServicer(stores.sessions)
    server.add("trivet.identity.v1.SessionService", add_SessionServiceServicer_to_server, servicer)
