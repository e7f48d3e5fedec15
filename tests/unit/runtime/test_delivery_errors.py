"""Which failures mean that a receiver is away, and which that it refuses one message."""

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from runtime.delivery_errors import delivery_error
from runtime.errors import DeliveryRejectedError, FailedPrecondition, Unavailable
from runtime.rpc.status import wire_status

FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
def test_a_receiver_is_away_with_two_codes_and_refuses_with_every_other(code: grpc.StatusCode) -> None:
    error = delivery_error(AioRpcError(code, Metadata(), Metadata(), "words of a library"), "cache")
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        assert isinstance(error, Unavailable)
        assert (error.reason, error.message) == ("CACHE_UNAVAILABLE", "the cache service does not answer")
    else:
        assert isinstance(error, DeliveryRejectedError)
        assert (str(error), error.reason) == (code.name, "")


def test_a_refusal_names_the_code_and_the_reason() -> None:
    status = wire_status(FailedPrecondition("MAIL_NOT_CONFIGURED", "no mail server is set"))
    error = delivery_error(
        AioRpcError(status.code, Metadata(), Metadata(*status.trailing_metadata), status.details), "notifications"
    )
    assert isinstance(error, DeliveryRejectedError)
    assert (str(error), error.reason) == ("FAILED_PRECONDITION MAIL_NOT_CONFIGURED", "MAIL_NOT_CONFIGURED")
