"""The bytes of a part: measured, compressed by zstd and encrypted by age on their way, in bounded memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyrage
import zstandard

from ops.errors import CommandFailed, WrongSettings

CHUNK = 1 << 17
LEVEL = 3


class Source(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> Any: ...


class DamagedError(Exception):
    """The bytes are not what was written: cut off, or altered."""


@dataclass(frozen=True, slots=True)
class Packed:
    """The sizes and checksums of a part, before and after compression and encryption."""

    content_bytes: int
    content_sha256: str
    stored_bytes: int
    stored_sha256: str


class Measured:
    """Passes bytes on, counts them and makes their SHA-256. It keeps the error that a library would hide."""

    def __init__(self, *, source: Source | None = None, sink: Sink | None = None) -> None:
        self._source = source
        self._sink = sink
        self._hash = hashlib.sha256()
        self.size = 0
        self.error: BaseException | None = None

    def read(self, size: int = -1, /) -> bytes:
        assert self._source is not None
        try:
            data = self._source.read(size)
        except BaseException as error:  # kept, and raised again: the other end reports it
            self.error = error
            raise
        self._note(data)
        return data

    def write(self, data: bytes, /) -> int:
        try:
            if self._sink is not None:
                self._sink.write(data)
        except BaseException as error:  # kept, and raised again: the other end reports it
            self.error = error
            raise
        self._note(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: the sink is flushed when it is closed."""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def _note(self, data: bytes) -> None:
        self.size += len(data)
        self._hash.update(data)


def pack(source: Source, sink: Sink, recipients: Sequence[str] = ()) -> Packed:
    """Compress and encrypt all of a source into a sink. Raises what these raise."""
    content, stored = Measured(source=source), Measured(sink=sink)
    compressor: Any = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)  # its types ask for whole files
    with compressor.stream_reader(content) as compressed:
        if recipients:
            try:
                pyrage.encrypt_io(compressed, stored, [recipient(each) for each in recipients])
            except (pyrage.EncryptError, OSError):
                raise (content.error or stored.error or RuntimeError("age failed")) from None
        else:
            while data := compressed.read(CHUNK):
                stored.write(data)
    return Packed(content.size, content.sha256, stored.size, stored.sha256)


def unpack(source: Source, sink: Sink, identities: Sequence[Any] | None) -> Packed:
    """Decrypt, with identities, and decompress all of a source into a sink.

    Raises DamagedError, CommandFailed for identities that do not fit, and what source and sink raise.
    """
    stored, content = Measured(source=source), Measured(sink=sink)
    decompressor: Any = zstandard.ZstdDecompressor()
    try:
        with decompressor.stream_writer(content, closefd=False) as writer:
            if identities is not None:
                pyrage.decrypt_io(stored, writer, identities)
            else:
                while data := stored.read(CHUNK):
                    writer.write(data)
    except (pyrage.DecryptError, zstandard.ZstdError, OSError) as error:
        if cause := content.error or stored.error:
            raise cause from None
        if "No matching keys" in str(error):
            raise CommandFailed(
                "the backup is encrypted for other recipients: give the file of one of their identities with --identity"
            ) from None
        raise DamagedError(str(error)) from None
    return Packed(content.size, content.sha256, stored.size, stored.sha256)


def recipient(text: str) -> Any:
    """Read a public key of age. Raises WrongSettings."""
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except (pyrage.RecipientError, ValueError):
        raise WrongSettings(
            f"{text} is not a recipient of age: give the public key that `age-keygen` prints (age1...) or an SSH key"
        ) from None


def identities_in(text: str, where: str) -> list[Any]:
    """Read the private keys in the text of an identity file. Raises WrongSettings, and never repeats a key."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        if "PRIVATE KEY-----" in text:
            keys = [pyrage.ssh.Identity.from_buffer(text.encode())]
        else:
            keys = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (pyrage.IdentityError, ValueError):
        keys = []
    if not keys:
        raise WrongSettings(f"{where} holds no identity of age: give the file that `age-keygen -o FILE` writes")
    return keys
