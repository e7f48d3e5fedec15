"""Decides whether a request or a call is traced, from two headers and a random number, before a span starts."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trivet.client.actor import METADATA_KEY as ACTOR_KEY
from trivet.client.actor import VERSION

TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
"""W3C Trace Context, 3.2. A later version can have more fields after the flags."""
SAMPLED = 1
PROCESSES = ("gateway", "identity", "notifications", "cache")
OURS = tuple(f"{VERSION}.{name}." for name in PROCESSES)
"""The beginning of an actor that one of Trivet's processes signed."""

Chance = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Parent:
    """The caller's span, from a `traceparent` header."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parent_of(traceparent: str) -> Parent | None:
    """Parse a `traceparent` header. Returns None if it is not valid."""
    match = TRACEPARENT.fullmatch(traceparent)
    if match is None or (match[4] is not None and traceparent.startswith("00")):
        return None
    return Parent(match[1], match[2], bool(int(match[3], 16) & SAMPLED))


class Sampler:
    """Follows the caller's sampling decision. Without one it samples the share `ratio` of the traces.

    `ratio` is 0 where this process records nothing. `chance` is a number from 0 to below 1, as random.random gives.
    """

    def __init__(self, ratio: float, *, chance: Chance = random.random) -> None:
        self._ratio = ratio
        self._chance = chance

    def begins(self) -> bool:
        """Whether to begin a trace for a request without a sampling decision."""
        return self._chance() < self._ratio

    def traces(self, metadata: Mapping[str, Any]) -> bool:
        """Whether to trace a call, from its metadata.

        A call without an actor is refused anyway. One of our own processes that tells no trace has decided against
        one: a second throw here would record trees without their roots.
        """
        actor = metadata.get(ACTOR_KEY)
        if actor is None:
            return False
        if (parent := parent_of(metadata.get("traceparent", ""))) is not None:
            return parent.is_sampled
        return not actor.startswith(OURS) and self.begins()
