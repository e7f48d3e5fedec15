"""The data folder: its lock, and the development secret in it."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.errors import CommandFailed, WrongSettings
from ops.settings import MIN_SECRET_LENGTH, OpsSettings

FORMER = "secrets-old"
WAIT_SECONDS = 2.0
"""How long to wait for a killed stack to release its folder."""


def make_folder(folder: Path) -> Path:
    """Create a folder if it does not exist. Raises WrongSettings if it cannot be created."""
    with _as_wrong_settings(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def _as_wrong_settings(path: Path) -> Iterator[None]:
    """Turn an OSError about a path into WrongSettings."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise WrongSettings(f"{path} is not a folder: move what is there, or set TRIVET_DATA to another") from None
        reason = (error.strerror or type(error).__name__).lower()
        raise WrongSettings(f"{path} cannot be used ({reason}): set TRIVET_DATA to a folder of yours") from None


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Create the folder and lock it for one stack. The lock holds as long as a process has the yielded descriptor open.

    Raises CommandFailed if another stack has the lock, WrongSettings if the folder cannot be used.
    """
    with _as_wrong_settings(make_folder(folder)):
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                owner = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
                raise CommandFailed(
                    f"{folder} is in use by another stack (process {owner}): stop it, or set TRIVET_DATA or "
                    "TRIVET_HTTP_PORT to start one beside it"
                ) from None
            time.sleep(0.05)
        else:
            return


def secret(settings: OpsSettings) -> str:
    """Return TRIVET_SECRET. Its default in development is a file beside the data, made at the first run (mode 0600)."""
    given = settings.secret.get_secret_value()
    return given or _kept_secret(settings.data_root)


def former_secrets(settings: OpsSettings) -> tuple[str, ...]:
    """Return TRIVET_SECRETS_OLD, and the former secrets that `trivet keys rotate` kept beside the kept secret."""
    kept = settings.data_root / FORMER
    if settings.secret.get_secret_value() or not kept.exists():
        return settings.former_secrets
    with _as_wrong_settings(kept):
        return (*settings.former_secrets, *kept.read_text(errors="replace").split())


def keep(path: Path, text: str) -> None:
    """Replace a file that holds secrets (mode 0600). After a kill or a power cut it is whole, or as it was before."""
    fresh = make_folder(path.parent) / f".{path.name}-{secrets.token_hex(8)}"
    with _as_wrong_settings(path):
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _kept_secret(root: Path) -> str:
    kept = root / "secret"
    if not kept.exists():
        fresh = make_folder(root) / f".secret-{secrets.token_hex(8)}"
        with _as_wrong_settings(root):
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())  # else a power cut can leave the name without the secret
            # A hard link is atomic: the first of two stacks wins.
            with contextlib.suppress(FileExistsError):
                kept.hardlink_to(fresh)
        finally:
            fresh.unlink()
    with _as_wrong_settings(kept):
        found = kept.read_text(errors="replace").strip()
    if len(found) < MIN_SECRET_LENGTH:
        raise WrongSettings(
            f"{kept} holds no whole secret: put it back from a copy, or remove it. Without it every session ends, "
            "and mail and provider tokens that are stored cannot be opened"
        )
    return found
