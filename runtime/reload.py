"""Settings from a file, and their reload on SIGHUP: the environment of a running process cannot change."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import AliasChoices, ValidationError

from runtime.settings import Settings, use_settings_file
from runtime.telemetry.logs import set_level

logger = logging.getLogger(__name__)
S = TypeVar("S", bound=Settings)
Apply = Callable[[S], None]


def reload_on_sighup(settings: S, apply: Mapping[str, Apply[S]] = {}) -> None:  # never changed
    """Read TRIVET_SETTINGS_FILE again on SIGHUP. `apply` has a function for each field that can change at run time.

    The log level can change in every process. One line names the changed settings that need a restart. A file that
    cannot be read, or that holds a wrong value, changes nothing.
    """
    appliers: dict[str, Apply[S]] = {"log_level": lambda new: set_level(new.log_level), **apply}
    current = settings

    def reload() -> None:
        nonlocal current
        before = dict(os.environ)
        try:
            use_settings_file()
            new = type(settings)()
        except (OSError, ValueError) as error:
            os.environ.clear()
            os.environ.update(before)
            logger.error("settings not reloaded: %s", _why(error))
            return
        changed = [name for name in type(settings).model_fields if getattr(new, name) != getattr(current, name)]
        for name in changed:
            if name in appliers:
                appliers[name](new)
        reloaded = [_variable(settings, name) for name in changed if name in appliers]
        left = [_variable(settings, name) for name in changed if name not in appliers]
        # A setting that needs a restart keeps its value, so that the next reload names it again.
        current = current.model_copy(update={name: getattr(new, name) for name in changed if name in appliers})
        logger.info("settings reloaded: %s", ", ".join(reloaded) or "none")
        if left:
            logger.warning("changed settings that need a restart: %s", ", ".join(left))

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def _variable(settings: Settings, name: str) -> str:
    alias = type(settings).model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


def _why(error: Exception) -> str:
    """Return what is wrong, without the value, which can be a secret."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}" for each in error.errors())
    return str(error)
