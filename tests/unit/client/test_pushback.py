"""A service that says that its store is away is not asked again: it has tried itself, for as long as it could."""

import grpc
import pytest
from grpc import aio

from runtime.errors import Unavailable
from runtime.rpc.interceptor_chain import Context
from tests.harness.rpc import served
from trivet.identity.v1.resources_pb2 import User
from trivet.identity.v1.user_service_pb2 import GetUserRequest


async def test_a_service_that_says_unavailable_itself_is_not_asked_again() -> None:
    """R3, R7: a second try would outlast the deadline, and make DEADLINE_EXCEEDED of an honest UNAVAILABLE.

    What happens without it: test_retry's service, which sends no pushback, is asked three times.
    """

    async def away(request: GetUserRequest, context: Context) -> User:
        raise Unavailable("STORE_UNAVAILABLE", "the store does not answer")

    async with served(away) as service:
        with pytest.raises(aio.AioRpcError) as failed:
            await service.stub.GetUser(GetUserRequest(user_id="user1"))
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        assert service.users.calls == 1
