"""The bare equivalent of a service: grpc.aio without interceptors, and a prepared answer."""

import sys
from typing import Any

import grpc
import uvloop


class Sized(grpc.GenericRpcHandler):
    """Answers `/bare.Sized/NUMBER` with NUMBER bytes. Other methods get an empty answer, as OTLP exports do."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        size = details.method.rpartition("/")[2]
        answer = b"x" * int(size) if size.isdecimal() else b""

        async def constant(_request: bytes, _context: object) -> bytes:
            return answer

        return grpc.unary_unary_rpc_method_handler(constant)


async def main(port: int) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Sized(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
