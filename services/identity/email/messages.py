"""Converts the results of followed links to protobuf messages."""

from services.identity.email.verification import LinkOutcome, LinkResult
from services.identity.sessions.messages import encode_session
from services.identity.users.messages import encode_user
from trivet.identity.v1.verification_service_pb2 import (
    VERIFY_EMAIL_OUTCOME_ALREADY_VERIFIED,
    VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED,
    VERIFY_EMAIL_OUTCOME_CHANGED,
    VERIFY_EMAIL_OUTCOME_VERIFIED,
    VerifyEmailResponse,
)

OUTCOMES = {
    LinkOutcome.VERIFIED: VERIFY_EMAIL_OUTCOME_VERIFIED,
    LinkOutcome.ALREADY_VERIFIED: VERIFY_EMAIL_OUTCOME_ALREADY_VERIFIED,
    LinkOutcome.CHANGE_CONFIRMED: VERIFY_EMAIL_OUTCOME_CHANGE_CONFIRMED,
    LinkOutcome.CHANGED: VERIFY_EMAIL_OUTCOME_CHANGED,
}


def encode_link_result(result: LinkResult, *, signs_in: bool) -> VerifyEmailResponse:
    """Return the response to a followed link. `signs_in` is the site's rule, also if this link opened no session."""
    message = VerifyEmailResponse(user=encode_user(result.user), outcome=OUTCOMES[result.outcome], signs_in=signs_in)
    if result.opened is not None:
        message.session.CopyFrom(encode_session(result.opened.session))
        message.token = result.opened.token
    return message
