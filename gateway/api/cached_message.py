"""A message of the cache with its JSON."""

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.api.json_encoding import encode

M = TypeVar("M", bound=Message)


class CachedMessage(Generic[M]):
    """A message and its JSON, which is encoded on first use."""

    __slots__ = ("_json", "message")

    def __init__(self, message: M) -> None:
        self.message = message
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = encode(self.message)
        return self._json


def decoder(kind: type[M]) -> Callable[[bytes], CachedMessage[M] | None]:
    """Return a function that decodes an entry's bytes; it returns None if they are no such message."""

    def read(value: bytes) -> CachedMessage[M] | None:
        try:
            return CachedMessage(kind.FromString(value))
        except DecodeError:
            return None

    return read
