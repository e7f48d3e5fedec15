"""`make variables`: writes known_variables/names.txt from the settings of all processes and commands."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

import ops
from known_variables import LIST
from ops.cli import app
from ops.settings_reader import names_read
from ops.stack.environment import PROCESSES, settings_of
from runtime.failpoints import VARIABLE as FAILPOINTS
from runtime.misspelled_variables import PREFIX
from runtime.settings import Settings

BESIDES = (FAILPOINTS, "TRIVET_PYTHON", "TRIVET_PROCESS", "TRIVET_TEST_*", "TRIVET_VERIFY_PASSWORD")
"""Variables outside the settings: failpoints, the Python of bin/trivet, the process of an image, tests, and the
password of `trivet backup verify`."""


def names() -> list[str]:
    """Return all names, sorted. A `*` at the end stands for any ending."""
    found = set(BESIDES)
    for kind in _settings():
        found |= names_read(kind) | {f"{prefix}*" for prefix in kind.prefixes}
    found |= set(_options(get_command(app)))
    return sorted(name for name in found if name.startswith(PREFIX))


def _settings() -> Iterator[type[Settings]]:
    """Yield the settings of every process, and those of the subcommands."""
    yield from map(settings_of, PROCESSES)
    for part in pkgutil.walk_packages(ops.__path__, "ops."):
        if part.name.endswith(".__main__"):
            continue
        for kind in vars(importlib.import_module(part.name)).values():
            if isinstance(kind, type) and issubclass(kind, Settings) and kind.__module__ == part.name:
                yield kind


def _options(command: Any) -> Iterator[str]:
    """Yield the environment variables of the options of a command and its subcommands."""
    for parameter in command.params:
        variables = parameter.envvar or ()
        yield from (variables,) if isinstance(variables, str) else variables
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from _options(each)


if __name__ == "__main__":
    LIST.write_text("".join(f"{name}\n" for name in names()))
