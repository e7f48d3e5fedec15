"""The environment of each process: the variables of its own settings, and its own keys."""

import importlib
import inspect
import os
from collections.abc import Mapping, Sequence

from known_variables import KNOWN_VARIABLES
from ops.keys.pair_keys import SEALING, SERVICES, accept_keys, call_keys, seal_keys
from ops.output import note
from ops.settings import StackSettings
from ops.settings_reader import is_read, mistakes, refuse
from runtime.settings import Settings

PROCESSES = (*SERVICES, "gateway")
SIGNING = ("gateway", "identity")
"""The processes that need the secret: the gateway signs cookies, identity signs links in mails."""
COMMON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "VIRTUAL_ENV")
COMMON_PREFIXES = ("OTEL_", "PYTHON", "GRPC_", "TRIVET_FAILPOINTS")
OF_THE_STACK = (
    "TRIVET_ACCEPT_KEYS",
    "TRIVET_ACCEPT_KEYS_OLD",
    "TRIVET_CALL_KEYS",
    "TRIVET_METRICS_PORT",
    "TRIVET_SEAL_KEYS",
    "TRIVET_STACK_ID",
)
"""Variables that the stack sets per process. The operator's values for them are ignored."""


def module(process: str) -> str:
    return f"services.{process}" if process in SERVICES else process


def settings_of(process: str) -> type[Settings]:
    """Return the settings class of a process."""
    name = f"{module(process)}.settings"
    for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        if issubclass(kind, Settings) and kind.__module__ == name:
            return kind
    raise LookupError(f"{name} defines no settings")


def common(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that every program of the stack gets."""
    return {name: value for name, value in environ.items() if name in COMMON or name.startswith(COMMON_PREFIXES)}


def environment(process: str, made: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of one process: its own variables of the operator, overridden by `made`."""
    kind = settings_of(process)
    own = {name: value for name, value in environ.items() if is_read(kind, name) and name not in OF_THE_STACK}
    return common(environ) | own | {name: value for name, value in made.items() if is_read(kind, name)}


def keys(process: str, secret: str, programs: tuple[str, ...], old: Sequence[str] = ()) -> dict[str, str]:
    """Return the keys of one process. Processes that sign cookies or links also get the secret.

    `old` are former secrets. Data that was sealed with them can be decrypted, and calls, cookies and links that were
    signed with them are accepted.
    """
    own = {"TRIVET_CALL_KEYS": call_keys(secret, process)}
    if process in SERVICES:
        own["TRIVET_ACCEPT_KEYS"] = accept_keys(secret, process, programs)
        own["TRIVET_ACCEPT_KEYS_OLD"] = ",".join(accept_keys(former, process, programs) for former in old)
    if process in SEALING:
        own["TRIVET_SEAL_KEYS"] = seal_keys([secret, *old], process)
    if process in SIGNING:
        own["TRIVET_SECRET"] = secret
        own["TRIVET_SECRETS_OLD"] = ",".join(old)
    return {name: value for name, value in own.items() if value}


def problems(kind: type[Settings], environ: Mapping[str, str] = os.environ) -> tuple[list[str], list[str]]:
    """Return a line for each wrong setting of the stack and of every process, and a line for each misspelled variable.

    A line begins with the name of the variable and a colon, and never shows a value.
    """
    placeholder = "a-placeholder-0123456789-abcdefghij"
    supplied = {"DATABASE_URL": "sqlite:////tmp/x", "MONGODB_URI": "mongodb://x", "REDIS_URL": "redis://x"}
    found = mistakes(kind, environ)
    for process in PROCESSES:
        made = keys(process, placeholder, ("ops",))
        found += mistakes(settings_of(process), {**supplied, **made, **environment(process, made, environ)})
    return list(dict.fromkeys(found)), KNOWN_VARIABLES.unread(environ)


def read(kind: type[StackSettings], environ: Mapping[str, str] = os.environ) -> StackSettings:
    """Read the stack's settings and check those of every process. Raises WrongSettings that names all mistakes.

    A TRIVET_ variable that nothing reads stops the start in production, and causes a warning in development.
    """
    found, misspelled = problems(kind, environ)
    refuse([*found, *misspelled] if found else ())
    settings = kind()
    if settings.is_production:
        refuse(misspelled)
    for line in misspelled:
        note(f"warning: {line}")
    return settings
