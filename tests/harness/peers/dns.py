"""A DNS server that knows one name (RFC 1035): the IPv4 addresses of several replicas, as a headless service has."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

HEADER = struct.Struct("!6H")
ANSWERS, NOT_FOUND = 0x8580, 0x8583  # an authoritative response: no error, and name error
TYPE_A, CLASS_IN, TTL_SECONDS = 1, 1, 0
POINTER_TO_THE_QUESTION = 0xC000 | HEADER.size


class OneName(asyncio.DatagramProtocol):
    """Answers questions for the addresses of `name`. Every other name does not exist."""

    def __init__(self, name: str, addresses: Sequence[str]) -> None:
        self._question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
        self.addresses = list(addresses)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        (number, *_), rest = HEADER.unpack_from(data), data[HEADER.size :]
        end = rest.index(b"\0") + 1
        question = rest[: end + 4]
        (kind, _) = struct.unpack_from("!2H", rest, end)
        if rest[:end].lower() != self._question:
            self._transport.sendto(HEADER.pack(number, NOT_FOUND, 1, 0, 0, 0) + question, addr)
            return
        records = [self._record(address) for address in self.addresses if kind == TYPE_A]
        self._transport.sendto(HEADER.pack(number, ANSWERS, 1, len(records), 0, 0) + question + b"".join(records), addr)

    def _record(self, address: str) -> bytes:
        fixed = struct.pack("!3HIH", POINTER_TO_THE_QUESTION, TYPE_A, CLASS_IN, TTL_SECONDS, 4)
        return fixed + socket.inet_aton(address)


@asynccontextmanager
async def resolving(name: str, addresses: Sequence[str]) -> AsyncIterator[str]:
    """Serve the addresses of `name`. Yields HOST:PORT of the server, the authority of a gRPC target `dns://`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: OneName(name, addresses), ("127.0.0.1", 0))
    try:
        host, port = transport.get_extra_info("sockname")
        yield f"{host}:{port}"
    finally:
        transport.close()
