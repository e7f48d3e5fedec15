"""What a service's failure becomes for a client of the protocol."""

import grpc
import msgspec
import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from grpc_status import rpc_status

from gateway.auth.protocol.refusals import refusal_of, too_many
from gateway.auth.routes import ROUTES
from runtime import errors
from runtime.rpc.status import rich_status


def failure(error: errors.ServiceError) -> AioRpcError:
    """Return the failure as a client meets it."""
    status = rpc_status.to_status(rich_status(error))
    return AioRpcError(status.code, Metadata(), Metadata(*status.trailing_metadata), status.details)


def bare(code: grpc.StatusCode) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), "failed to connect to ipv4:10.0.0.7:50051")


def test_a_taken_email_has_the_originals_words() -> None:
    refusal = refusal_of(failure(errors.AlreadyExists("EMAIL_TAKEN", "email is taken")), ROUTES.error_codes)
    assert refusal is not None
    assert refusal.status == 422
    assert refusal.body == (
        b'{"message":"User already exists. Use another email.","code":"USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"}'
    )


def test_a_provider_that_is_not_supported_is_named_in_identitys_words() -> None:
    refusal = refusal_of(
        failure(errors.FailedPrecondition("PROVIDER_NOT_SUPPORTED", "Provider x is not supported")), ROUTES.error_codes
    )
    assert refusal is not None
    assert refusal.status == 400
    assert refusal.body == b'{"message":"Provider x is not supported","code":"PROVIDER_NOT_SUPPORTED"}'


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED])
def test_a_service_that_is_away_or_overloaded_is_503_with_retry_after(code: StatusCode) -> None:
    """G7: what the library says of hosts is not passed on."""
    refusal = refusal_of(bare(code), ROUTES.error_codes)
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (503, {"retry-after": "1"})
    assert refusal.body == b'{"message":"Service unavailable","code":"SERVICE_UNAVAILABLE"}'


def test_an_argument_that_only_the_service_refuses_is_400_without_its_words() -> None:
    refusal = refusal_of(
        failure(errors.InvalidArgument("NAME_HAS_CONTROL_CHARACTERS", "SELECT 1", field="name")), ROUTES.error_codes
    )
    assert refusal is not None
    assert refusal.status == 400
    assert msgspec.json.decode(refusal.body) == {"message": "Validation Error", "code": "VALIDATION_ERROR"}


@pytest.mark.parametrize("code", [StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.PERMISSION_DENIED])
def test_what_nobody_expected_is_no_refusal(code: StatusCode) -> None:
    assert refusal_of(bare(code), ROUTES.error_codes) is None


def test_too_many_requests_says_when_to_come_back_and_has_no_code() -> None:
    refusal = too_many(7)
    assert refusal.body == b'{"message":"Too many requests. Please try again later."}'
    assert (refusal.status, refusal.headers) == (429, {"x-retry-after": "7", "retry-after": "7"})
