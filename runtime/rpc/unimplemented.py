"""Serves specified but unimplemented services: each RPC answers UNIMPLEMENTED with a message."""

from typing import Any

import grpc
from google.protobuf import descriptor_pool
from grpc import aio

from runtime.errors import Unimplemented

REASON = "NOT_IMPLEMENTED"


def serve(service: str, server: aio.Server) -> None:
    """Register every RPC of the service, by its full name. No RPC of it may take a stream."""
    methods = descriptor_pool.Default().FindServiceByName(service).methods
    handlers: dict[str, Any] = {
        method.name: grpc.unary_unary_rpc_method_handler(_answer(service)) for method in methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _answer(service: str) -> Any:
    name = service.rpartition(".")[2]

    async def answer(_request: Any, _context: Any) -> Any:
        raise Unimplemented(REASON, f"{name} is specified but this version does not implement it")

    return answer
