"""Uploads an object of unknown length in parts."""

from contextlib import suppress
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

PART_BYTES = 8 * 1024 * 1024
LARGER_EVERY = 1_000
"""With every 1,000 parts a part becomes one `PART_BYTES` larger. So the 10,000 parts that S3 takes hold 429 GiB.

The last ones need 80 MiB of memory.
"""


class Upload:
    """Collects bytes until there is a part of them. An object that is smaller than one part is put in one request.

    As a context manager it completes the object at the end, or aborts the upload if the block failed.
    """

    def __init__(self, client: Any, bucket: str, key: str, *, part_bytes: int = PART_BYTES) -> None:
        self._client = client
        self._where = {"Bucket": bucket, "Key": key}
        self._part_bytes = part_bytes
        self._rest = bytearray()
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._complete()
                return
        except BaseException:  # also after Ctrl-C: parts that stay cost money
            self._abort()
            raise
        self._abort()

    def write(self, data: bytes, /) -> int:
        self._rest += data
        while len(self._rest) >= (size := self._part_bytes * (1 + len(self._parts) // LARGER_EVERY)):
            self._send(bytes(self._rest[:size]))
            del self._rest[:size]
        return len(data)

    def _send(self, part: bytes) -> None:
        if not self._upload_id:
            self._upload_id = self._client.create_multipart_upload(**self._where)["UploadId"]
        number = len(self._parts) + 1
        sent = self._client.upload_part(**self._where, UploadId=self._upload_id, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _complete(self) -> None:
        if not self._upload_id:
            self._client.put_object(**self._where, Body=bytes(self._rest))
            return
        if self._rest:
            self._send(bytes(self._rest))
        self._client.complete_multipart_upload(
            **self._where, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
        )

    def _abort(self) -> None:
        if self._upload_id:
            with suppress(BotoCoreError, ClientError):  # a later backup removes what stays
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)
