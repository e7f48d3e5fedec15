"""Policy tables: who can call an RPC, and whose data. An RPC without a row cannot be served."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from runtime.errors import PermissionDenied
from trivet.client.actor import Actor

GATEWAY = frozenset({"gateway"})
IDENTITY = frozenset({"identity"})
NOTIFICATIONS = frozenset({"notifications"})
OPERATORS = frozenset({"ops"})
NO_SERVICE: frozenset[str] = frozenset()


class People(Enum):
    """The signed-in users that can call an RPC."""

    NONE = "none"
    ADMINS = "admins"
    THEMSELVES = "themselves"  # their own data; administrators can access the data of all users


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a policy table.

    `services`: the processes that may call for themselves; by default none. The operator adds the product's own
    programs with TRIVET_PROGRAM_RIGHTS, see `rights.py`.
    `owner`: the request field that names whose data is meant, empty when the store looks only at the caller's rows.
    """

    people: People
    services: frozenset[str] = NO_SERVICE
    owner: str = ""


Policy = Mapping[str, Rule]
"""Rules by full method name, for example `trivet.identity.v1.UserService/GetUser`."""


def authorize(rule: Rule, actor: Actor, request: Any) -> None:
    """Raise PermissionDenied unless the rule lets the actor make this request."""
    if not actor.is_person:
        if actor.caller not in rule.services:
            message = f"the program {actor.caller} has no right to call this: see TRIVET_PROGRAM_RIGHTS"
            raise PermissionDenied("CALLER_NOT_ALLOWED", message)
        return
    if rule.people is People.NONE:
        raise PermissionDenied("SERVICES_ONLY", "only services may call this")
    if actor.is_admin:
        return
    if rule.people is People.ADMINS:
        raise PermissionDenied("ADMIN_REQUIRED", "only an administrator may call this")
    if rule.owner and attrgetter(rule.owner)(request) not in ("", actor.user_id):
        raise PermissionDenied("NOT_YOURS", f"{rule.owner} names another user")
