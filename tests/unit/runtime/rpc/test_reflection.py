"""Reflection speaks both of its versions, and neither in production."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2

from runtime.settings import Environment
from tests.harness.rpc import SERVICE, served, settings

VERSIONS = ("v1", "v1alpha")


async def ask(address: str, version: str, **question: str) -> Any:
    """Ask one question, as the client of that version does. v1's messages have v1alpha's wire form."""
    request = reflection_pb2.ServerReflectionRequest(**question)  # type: ignore[arg-type]  # one of its fields
    async with aio.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        return await anext(aiter(call(iter([request]), timeout=5)))


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_lists_what_is_served_and_itself_in_development(version: str) -> None:
    async with served() as running:
        listed = (await ask(running.address, version, list_services="")).list_services_response.service
        names = {each.name for each in listed}
        assert {SERVICE, "grpc.health.v1.Health"} < names
        assert {f"grpc.reflection.{each}.ServerReflection" for each in VERSIONS} < names


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_describes_each_version_of_itself_by_its_own_names(version: str) -> None:
    async with served() as running:
        symbol = f"grpc.reflection.{version}.ServerReflection"
        found = (await ask(running.address, version, file_containing_symbol=symbol)).file_descriptor_response
        file = FileDescriptorProto.FromString(found.file_descriptor_proto[0])
        assert file.package == f"grpc.reflection.{version}"
        assert file.service[0].method[0].input_type == f".grpc.reflection.{version}.ServerReflectionRequest"
        types = [field.type_name for message in file.message_type for field in message.field if field.type_name]
        assert types
        assert {name.rpartition(".")[0] for name in types} == {f".grpc.reflection.{version}"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_is_off_in_production(version: str) -> None:
    """G4."""
    async with served(configured=settings(environment=Environment.PRODUCTION)) as running:
        with pytest.raises(aio.AioRpcError) as refused:
            await ask(running.address, version, list_services="")
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
