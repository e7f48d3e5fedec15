"""The cheapest cached read: grpc.aio without interceptors, the same request, and one bare GET."""

import sys

import grpc
import uvloop
from redis.asyncio import Redis

from trivet.cache.v1.cache_pb2 import GetRequest, GetResponse, Lookup


async def main(port: int, url: str) -> None:
    """Answer CacheService.Get with the value of the key in Redis."""
    async with Redis.from_url(url) as redis:

        async def get(request: GetRequest, _context: object) -> GetResponse:
            value = await redis.get(request.key)
            assert value is None or isinstance(value, bytes)
            return GetResponse(lookup=Lookup(found=value is not None, value=value or b""))

        handler = grpc.unary_unary_rpc_method_handler(get, GetRequest.FromString, GetResponse.SerializeToString)
        server = grpc.aio.server()
        service = grpc.method_handlers_generic_handler("trivet.cache.v1.CacheService", {"Get": handler})
        server.add_generic_rpc_handlers((service,))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
