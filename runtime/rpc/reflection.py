"""Server reflection in both versions that clients ask for.

grpcio-reflection has v1alpha alone; current clients (grpcurl, Postman, evans) ask for v1 first. The two differ by
their package name, on the wire by the path alone, so v1 is made from v1alpha's descriptor.
Source: grpc/reflection/v1/reflection.proto in the gRPC project's protos.
"""

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import aio
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA = "grpc.reflection.v1alpha"
V1 = "grpc.reflection.v1"
SERVICES = (f"{V1}.ServerReflection", reflection.SERVICE_NAME)


def _add_v1_to_the_pool() -> None:
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = file.name.replace("/v1alpha/", "/v1/")
    file.package = V1
    fields = [field for message in file.message_type for field in message.field if field.type_name]
    for field in fields:
        field.type_name = field.type_name.replace(f".{V1ALPHA}.", f".{V1}.")
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(f".{V1ALPHA}.", f".{V1}.")
        method.output_type = method.output_type.replace(f".{V1ALPHA}.", f".{V1}.")
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


_add_v1_to_the_pool()


def serve(names: Iterable[str], server: aio.Server) -> None:
    """Let clients list and describe the services with these full names, and reflection itself, in v1 and v1alpha."""
    reflected = (*names, *SERVICES)
    reflection.enable_server_reflection(reflected, server)
    handler = grpc.stream_stream_rpc_method_handler(
        reflection.aio.ReflectionServicer(reflected).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    v1 = grpc.method_handlers_generic_handler(SERVICES[0], {"ServerReflectionInfo": handler})
    server.add_generic_rpc_handlers((v1,))
