"""What is held ready of the answers that HTTP reads through the cache."""

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from gateway.api.json_encoding import encode

M = TypeVar("M", bound=Message)


class Made(Generic[M]):
    """A message, and the JSON that HTTP answers for it, made when it is first asked for."""

    __slots__ = ("_json", "message")

    def __init__(self, message: M) -> None:
        self.message = message
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = encode(self.message)
        return self._json


def made(kind: type[M]) -> Callable[[bytes], Made[M] | None]:
    """Return a function from an entry's bytes to the message in them, None if they hold none."""

    def read(value: bytes) -> Made[M] | None:
        try:
            return Made(kind.FromString(value))
        except DecodeError:
            return None

    return read
