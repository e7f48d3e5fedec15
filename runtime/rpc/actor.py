"""Verifies signed actors, which `trivet.client.actor` makes."""

import hmac
import re
import time
from collections.abc import Callable, Collection, Iterable
from contextvars import ContextVar

from runtime.errors import InvalidArgument, Unauthenticated
from trivet.client.actor import LIFETIME_SECONDS, VERSION, Actor, PairKeys, mac

SKEW_SECONDS = 30
"""The accepted difference between the clocks of two machines."""

MAX_KNOWN = 1_024

_EXPIRES = re.compile("[0-9]{1,12}")

current_actor: ContextVar[Actor] = ContextVar("trivet_actor")


class Verifier:
    """Holds the keys that this service (`audience`) shares with its callers. `former` keys are accepted too.

    Only `people_callers` can call for a person.
    """

    def __init__(
        self,
        audience: str,
        keys: PairKeys,
        *,
        former: Iterable[tuple[str, bytes]] = (),
        people_callers: Collection[str] = ("gateway",),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._audience = audience
        self._people_callers = frozenset(people_callers)
        self._keys: dict[str, tuple[bytes, ...]] = {caller: (key,) for caller, key in keys.items()}
        for caller, key in former:
            self._keys[caller] = (*self._keys.get(caller, ()), key)
        self._now = now
        self._known: dict[str, tuple[Actor, int]] = {}

    def __call__(self, value: str | None) -> Actor:
        """Return the actor that signed the metadata value. Raises Unauthenticated with advice.

        A caller uses a signature for some seconds: one that was found valid is only looked at for its age.
        """
        if not value:
            raise self._refused("no actor: send `trivet-actor` metadata, see `trivet actor`", "key")
        known = self._known.get(value) or self._verified(value)
        actor, expires = known
        left = expires - self._now()
        if left < -SKEW_SECONDS:
            raise self._refused(f"the actor expired {-left:.0f} s ago: sign a new one, or set the clock", "clock")
        if left > LIFETIME_SECONDS + SKEW_SECONDS:
            raise self._refused(f"the actor expires in {left:.0f} s, which is too late: set the clock", "clock")
        if value not in self._known:
            if len(self._known) >= MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[value] = known
        return actor

    def _verified(self, value: str) -> tuple[Actor, int]:
        """Return the actor that signed a value, and the expiry time. Raises Unauthenticated."""
        claim, _, signature = value.rpartition(".")
        parts = claim.split(".")
        if len(parts) != 7 or parts[0] != VERSION or not _EXPIRES.fullmatch(parts[3]):
            raise self._refused("the actor is malformed", "key")
        _, caller, audience, expires, user_id, role, session_id = parts
        # The same error for an unknown caller and a wrong signature, so that names of callers cannot be guessed.
        macs = (mac(key, claim) for key in self._keys.get(caller, ()))
        if not signature.isascii() or not any(hmac.compare_digest(each, signature) for each in macs):
            raise self._refused("the actor's signature is not valid here", "key")
        if audience != self._audience:
            raise self._refused(f"the actor is meant for another service than {self._audience}", "key")
        if user_id and caller not in self._people_callers:
            raise self._refused(f"{caller} cannot call for a person: see TRIVET_PEOPLE_CALLERS", "policy")
        return Actor(caller, user_id, role, session_id), int(expires)

    def _refused(self, message: str, cause: str) -> Unauthenticated:
        """Return the error for a caller. `cause` is what its operator must correct: `key`, `clock` or `policy`."""
        return Unauthenticated("INVALID_ACTOR", message, service=self._audience, cause=cause)


def subject(asked: str, field: str = "user_id") -> str:
    """Return the id of the user whose data a call is about: the requested id, else the calling user.

    The policy decides whether the caller has access. Raises InvalidArgument if a service calls without a user id.
    """
    user_id = asked or current_actor.get().user_id
    if not user_id:
        raise InvalidArgument("REQUIRED_FIELD_MISSING", f"{field} is required when a service calls", field=field)
    return user_id


def scope() -> str | None:
    """Return the only user whose rows the caller can access, or None for administrators and services."""
    actor = current_actor.get()
    return None if actor.is_admin or not actor.is_person else actor.user_id
