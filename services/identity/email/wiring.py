"""Serves VerificationService."""

from runtime.rpc.server import Server
from services.identity.email.policy import EmailRules
from services.identity.email.servicer import VerificationServicer
from services.identity.wiring import UseCases
from trivet.identity.v1.verification_service_pb2_grpc import add_VerificationServiceServicer_to_server


def add_email(server: Server, cases: UseCases, rules: EmailRules) -> None:
    servicer = VerificationServicer(cases.resets, cases.verification, cases.deletion, rules)
    server.add("trivet.identity.v1.VerificationService", add_VerificationServiceServicer_to_server, servicer)
