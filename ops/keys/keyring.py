"""`trivet actor` and `trivet keys`: what proves who calls, for people and for operators."""

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
from ops.stack.data_folder import secret
from trivet.client.actor import LIFETIME_SECONDS, METADATA_KEY, Actor, sign

NAME = re.compile(r"[!-\-/-~]+")
"""What may stand in a header, but for the dot, which parts an actor's words."""


class Service(Enum):
    IDENTITY = "identity"
    NOTIFICATIONS = "notifications"
    CACHE = "cache"


def actor(
    who: Annotated[str, typer.Option("--as", metavar="user:ID|service:NAME", help="Who calls.")],
    role: Annotated[str, typer.Option(help="The person's role: user or admin.")] = "user",
    to: Annotated[Service | None, typer.Option(help="The service that is called; without it a line for each.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The value alone, without the metadata's name.")] = False,
) -> None:
    """Print the metadata that a call needs, good for a minute.

    grpcurl -H "$(trivet actor --as service:ops --to cache)" ...
    """
    settings = read_settings(OpsSettings)
    caller = _caller(who, role, settings)
    for audience in [to.value] if to else SERVICES:
        key = pair_key(secret(settings), caller.caller, audience)
        value = sign(caller, audience, key, expires=int(time.time()) + LIFETIME_SECONDS)
        print(value if quiet else f"{METADATA_KEY}: {value}")


def keys(
    process: Annotated[str | None, typer.Option("--for", metavar="PROCESS", help="A process or a program.")] = None,
) -> None:
    """Print the TRIVET_*_KEYS of each process, as lines for its environment."""
    settings = read_settings(OpsSettings)
    if process is not None and process not in (*CALLS, *settings.programs):
        known = f"neither a process ({', '.join(CALLS)}) nor in TRIVET_PROGRAMS ({', '.join(settings.programs)})"
        raise WrongSettings(f"{process} is {known}")
    for name in [process] if process else [*CALLS, *settings.programs]:
        if process is None:
            print(f"# {name}")
        own = environment.keys(name, secret(settings), settings.programs, settings.former_secrets)
        for variable in ("TRIVET_ACCEPT_KEYS", "TRIVET_CALL_KEYS", "TRIVET_SEAL_KEYS"):
            if variable in own:
                print(f"{variable}={own[variable]}")


def _caller(who: str, role: str, settings: OpsSettings) -> Actor:
    kind, colon, name = who.partition(":")
    if not colon or not NAME.fullmatch(name) or kind not in ("user", "service"):
        raise WrongSettings("--as takes user:ID or service:NAME, for example service:ops")
    if role not in ("user", "admin"):
        raise WrongSettings("--role takes user or admin")
    if kind == "user":
        # Only the gateway's word is taken for people; whoever holds the secret can give it.
        return Actor("gateway", name, role)
    if name not in (*CALLS, *settings.programs):
        raise WrongSettings(f"no service knows {name}: TRIVET_PROGRAMS holds {', '.join(settings.programs)}")
    return Actor(name)
