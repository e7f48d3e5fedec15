"""Reads the settings of a process from its environment, its credentials and its settings file."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from runtime import credentials
from runtime.misspelled_variables import KnownVariables
from runtime.settings.shared import SETTINGS_FILE, Settings

S = TypeVar("S", bound=Settings)
OWN_ENVIRONMENT: Mapping[str, str] = dict(os.environ)
"""The environment that the process began with, without the variables of TRIVET_SETTINGS_FILE."""


def use_settings_file() -> None:
    """Set the variables of TRIVET_SETTINGS_FILE that the process was not given itself.

    Raises OSError if the file cannot be read, and ValueError for a line that is not NAME=VALUE.
    """
    path = OWN_ENVIRONMENT.get(SETTINGS_FILE, "")
    if not path:
        return
    found = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        name, equals, value = map(str.strip, line.partition("="))
        if name.startswith("#") or not line.strip():
            continue
        if not equals or not name:
            raise ValueError(f"line {number} of {path} is not NAME=VALUE")
        found[name] = value
    given = {name: value for name, value in OWN_ENVIRONMENT.items() if value or name not in found}
    os.environ.clear()
    os.environ.update(found | given)


def read(kind: type[S], known: KnownVariables) -> S:
    """Read a process's settings from the environment. Report all mistakes together, by name, and exit with 2.

    A TRIVET_ variable that is not `known` stops the start in production, and causes a warning in development.
    """
    try:
        credentials.load(os.environ)
    except credentials.UnreadableCredentialsError as error:
        raise refused([str(error)]) from None
    try:
        use_settings_file()
    except (OSError, ValueError) as error:
        raise refused([f"{SETTINGS_FILE}: {error}"]) from None
    misspelled = known.unread(os.environ)
    try:
        settings = kind()
    except ValidationError as error:
        raise refused([*map(_explained, error.errors()), *misspelled]) from None
    if misspelled and settings.is_production:
        raise refused(misspelled)
    for line in misspelled:
        print(f"trivet: warning: {line}", file=sys.stderr)
    return settings


def _explained(mistake: ErrorDetails) -> str:
    name = ".".join(map(str, mistake["loc"])) or "settings"
    return f"{name}: {mistake['msg'].removeprefix('Value error, ')}"


def refused(lines: list[str]) -> SystemExit:
    """Print which settings are wrong. Return the exception that ends the process with 2: a restart cannot help."""
    print("trivet: these settings are wrong:", *(f"  {line}" for line in lines), sep="\n", file=sys.stderr)
    return SystemExit(2)
