"""Documents as BSON, one after the other, as mongodump writes a collection: read, counted and split."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from ops.backup.manifest import Checksum
from ops.backup.streams import DamagedError

LENGTH_BYTES = 4
SMALLEST = 5
LARGEST = 48 * 1024 * 1024
"""No server takes a message, and so a document, of more bytes."""


class BsonSource:
    """Reads the batches of a query as one stream, and makes the checksum of the documents in it."""

    def __init__(self, name: str, batches: Iterable[bytes]) -> None:
        self._name = name
        self._batches = iter(batches)
        self._rest = b""
        self._hash = hashlib.sha256()
        self._count = 0

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            self._rest = next(self._batches, b"")
            self._count += sum(1 for _ in lengths(self._rest))
            self._hash.update(self._rest)
        data, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return data

    def checksum(self) -> Checksum:
        return Checksum(self._name, self._count, self._hash.hexdigest())


class BsonSink:
    """Splits a stream into documents, and hands them on in batches of some 4 MiB."""

    def __init__(self, take: Callable[[Sequence[bytes]], None], *, batch_bytes: int = 4 * 1024 * 1024) -> None:
        self._take = take
        self._batch_bytes = batch_bytes
        self._rest = bytearray()

    def write(self, data: bytes, /) -> int:
        self._rest += data
        if len(self._rest) >= self._batch_bytes:
            self._hand_on()
        return len(data)

    def finish(self) -> None:
        """Hand on the last documents. Raises DamagedError if the stream ends within one."""
        self._hand_on()
        if self._rest:
            raise DamagedError("the stream ends within a document")

    def _hand_on(self) -> None:
        documents, at = [], 0
        for length in lengths(self._rest):
            documents.append(bytes(self._rest[at : at + length]))
            at += length
        del self._rest[:at]
        if documents:
            self._take(documents)


def lengths(data: bytes | bytearray) -> Iterator[int]:
    """Yield the lengths of the whole documents in the data. Raises DamagedError for an impossible one."""
    at = 0
    while at + LENGTH_BYTES <= len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "little")
        if not SMALLEST <= length <= LARGEST:
            raise DamagedError("a document has an impossible length")
        if at + length > len(data):
            return
        yield length
        at += length
