"""`trivet actor` and `trivet keys`: print signed actors and keys."""

import re
import time
from enum import Enum
from typing import Annotated

import typer

from ops.errors import WrongSettings
from ops.keys.pair_keys import CALLS, SERVICES, pair_key
from ops.settings import OpsSettings
from ops.settings_reader import read_settings
from ops.stack import environment
from ops.stack.data_folder import former_secrets, secret
from trivet.client.actor import LIFETIME_SECONDS, METADATA_KEY, Actor, sign

NAME = re.compile(r"[!-\-/-~]+")
"""Visible ASCII without the dot, which separates the parts of an actor."""


class Service(Enum):
    IDENTITY = "identity"
    NOTIFICATIONS = "notifications"
    CACHE = "cache"


def actor(
    who: Annotated[str, typer.Option("--as", metavar="user:ID|service:NAME", help="The caller.")],
    role: Annotated[str, typer.Option(help="The person's role: user or admin.")] = "user",
    to: Annotated[Service | None, typer.Option(help="The service to call. Default: one line for each service.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the value without the metadata key.")] = False,
) -> None:
    """Print the metadata that a gRPC call needs. It is valid for one minute.

    grpcurl -H "$(trivet actor --as service:ops --to cache)" ...
    """
    settings = read_settings(OpsSettings)
    caller = _caller(who, role, settings)
    for audience in [to.value] if to else SERVICES:
        key = pair_key(secret(settings), caller.caller, audience)
        value = sign(caller, audience, key, expires=int(time.time()) + LIFETIME_SECONDS)
        print(value if quiet else f"{METADATA_KEY}: {value}")


def keys(
    process: Annotated[
        str | None, typer.Option("--for", metavar="PROCESS", help="Only the keys of this process or program.")
    ] = None,
) -> None:
    """Print the TRIVET_*_KEYS variables of each process, as lines for its environment."""
    settings = read_settings(OpsSettings)
    if process is not None and process not in (*CALLS, *settings.programs):
        known = f"neither a process ({', '.join(CALLS)}) nor in TRIVET_PROGRAMS ({', '.join(settings.programs)})"
        raise WrongSettings(f"{process} is {known}")
    for name in [process] if process else [*CALLS, *settings.programs]:
        if process is None:
            print(f"# {name}")
        own = environment.keys(name, secret(settings), settings.programs, former_secrets(settings))
        for variable in ("TRIVET_ACCEPT_KEYS", "TRIVET_ACCEPT_KEYS_OLD", "TRIVET_CALL_KEYS", "TRIVET_SEAL_KEYS"):
            if variable in own:
                print(f"{variable}={own[variable]}")


def _caller(who: str, role: str, settings: OpsSettings) -> Actor:
    kind, colon, name = who.partition(":")
    if not colon or not NAME.fullmatch(name) or kind not in ("user", "service"):
        raise WrongSettings("--as takes user:ID or service:NAME, for example service:ops")
    if role not in ("user", "admin"):
        raise WrongSettings("--role takes user or admin")
    if kind == "user":
        # Services accept people only from the gateway. The holder of the secret can sign as the gateway.
        return Actor("gateway", name, role)
    if name not in (*CALLS, *settings.programs):
        raise WrongSettings(f"{name} is not in TRIVET_PROGRAMS ({', '.join(settings.programs)}): add it there")
    return Actor(name)
