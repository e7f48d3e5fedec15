"""Reads variables from the files that systemd's `LoadCredential` gives a process.

A file is better than the environment for secrets: the environment of a process is shown in /proc and by `systemctl`.
"""

from collections.abc import MutableMapping
from pathlib import Path

FOLDER = "CREDENTIALS_DIRECTORY"
"""The variable of systemd that names the folder."""
PATTERN = "*.env"


class UnreadableCredentialsError(Exception):
    """A file of variables cannot be used. The text names it, and no value."""


def load(environ: MutableMapping[str, str]) -> None:
    """Add the variables of every *.env file in the folder. A variable that is already set keeps its value.

    A line is NAME=VALUE, empty, or a comment that begins with `#`. Raises UnreadableCredentialsError for another line
    and for a file that cannot be read. Without the folder's variable nothing is read.
    """
    folder = environ.get(FOLDER)
    if not folder:
        return
    for file in sorted(Path(folder).glob(PATTERN)):
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableCredentialsError(f"{file} cannot be read: {type(error).__name__}") from None
        for number, line in enumerate(lines, 1):
            _add(environ, line.strip(), f"{file}, line {number}")


def _add(environ: MutableMapping[str, str], line: str, where: str) -> None:
    if not line or line.startswith("#"):
        return
    name, equals, value = line.partition("=")
    if not equals or not name.isidentifier():
        raise UnreadableCredentialsError(f"{where}: must be NAME=VALUE")
    environ.setdefault(name, value)
