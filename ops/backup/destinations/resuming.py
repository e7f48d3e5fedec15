"""Reads an object, and goes on where it was when the connection breaks."""

from typing import Any

from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, OSError)
BREAKS = 8
"""How many connections in a row can break without a byte."""


class ResumingObject:
    """An object that is read as a stream. Raises boto3's errors.

    It is read as it was when it was opened: a bucket refuses the rest of one that was replaced meanwhile.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._at = 0
        found = client.get_object(**self._where)
        self._size: int = found["ContentLength"]
        self._tag: str = found["ETag"]
        self._body = found["Body"]

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        if not wanted:
            return b""
        breaks = 0
        while True:
            try:
                data: bytes = self._body.read(wanted)
                if not data:
                    raise ConnectionResetError("the bucket ended the object early")
            except BROKEN:
                breaks += 1
                if breaks > BREAKS:
                    raise
                self._reopen()
            else:
                self._at += len(data)
                return data

    def close(self) -> None:
        self._body.close()

    def _reopen(self) -> None:
        self._body.close()
        found = self._client.get_object(**self._where, Range=f"bytes={self._at}-", IfMatch=self._tag)
        self._body = found["Body"]
