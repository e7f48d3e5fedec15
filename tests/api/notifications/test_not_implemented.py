"""Services that are specified only say so in words to every caller."""

import pytest
from google.protobuf.descriptor import MethodDescriptor
from grpc import StatusCode, aio

from gateway.api.services import NOT_IMPLEMENTED
from services.notifications.domains import NOT_IMPLEMENTED as ANSWERED
from tests.harness.processes import Process
from tests.harness.rpc import raw
from trivet.client import reason_of

SERVICES = NOT_IMPLEMENTED["notifications"]
RPCS = [rpc for service in SERVICES for rpc in service.methods]


def test_the_gateway_and_the_service_agree_on_what_is_specified_only() -> None:
    assert {service.full_name for service in SERVICES} == set(ANSWERED)
    assert len(RPCS) >= 6


@pytest.mark.parametrize("rpc", RPCS, ids=lambda rpc: str(rpc.name))
async def test_an_rpc_that_is_specified_only_is_unimplemented_in_words(running: Process, rpc: MethodDescriptor) -> None:
    service = rpc.containing_service
    async with aio.insecure_channel(running.address) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            await raw(channel, f"/{service.full_name}/{rpc.name}")(b"", timeout=5)
    assert (refused.value.code(), reason_of(refused.value)) == (StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED")
    assert service.name in (refused.value.details() or "")
