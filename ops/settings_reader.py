"""Reads settings and reports all mistakes together, by name and never by value."""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from pydantic import AliasChoices, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ops.errors import WrongSettings
from runtime.settings import Settings

S = TypeVar("S", bound=Settings)


class _GivenAlone(Settings):
    """Settings that ignore the environment and use only the given values."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def read_settings(kind: type[S], environ: Mapping[str, str] = os.environ) -> S:
    """Read a subcommand's settings. Raises WrongSettings that names all mistakes."""
    refuse(mistakes(kind, environ))
    return kind.model_validate(_named(kind, environ))


def refuse(found: Iterable[str]) -> None:
    """Raise WrongSettings with every mistake, each once."""
    if lines := dict.fromkeys(found):
        raise WrongSettings("these settings are wrong:\n  " + "\n  ".join(lines))


def names_read(kind: type[Settings]) -> set[str]:
    """Return the environment variables that fill a settings class."""
    aliases = (field.validation_alias for field in kind.model_fields.values())
    return {str(name) for alias in aliases if isinstance(alias, AliasChoices) for name in alias.choices}


def is_read(kind: type[Settings], name: str) -> bool:
    """Whether a settings class reads an environment variable, by its name or its prefix."""
    return name in names_read(kind) or name.startswith(kind.prefixes)


def mistakes(kind: type[Settings], environ: Mapping[str, str]) -> list[str]:
    """Return a line for each setting that is wrong, by name; never its value.

    A wrong value is removed and the rest is validated again, because rules about several settings are checked last.
    """
    alone = cast(type[Settings], type(kind.__name__, (_GivenAlone, kind), {}))
    given = _named(kind, environ)
    found: dict[str, str] = {}
    while True:
        try:
            alone.model_validate(given)
        except ValidationError as error:
            fresh = {
                name: line for name, line in (_message(kind, each) for each in error.errors()) if name not in found
            }
            found |= fresh
            given = {name: value for name, value in given.items() if name not in fresh}
            if fresh:
                continue
        return list(found.values())


def _message(kind: type[Settings], error: ErrorDetails) -> tuple[str, str]:
    message = error["msg"].removeprefix("Value error, ")
    name = ".".join(map(str, error["loc"]))
    # A variable that is not set is named by its field.
    if (field := kind.model_fields.get(name)) and isinstance(field.validation_alias, AliasChoices):
        name = str(field.validation_alias.choices[0])
    return name or message, f"{name}: {message}" if name else message


def _named(kind: type[Settings], environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if is_read(kind, name)}
