"""When an invalidation may be confirmed, in any order of events, against a plain dictionary that is always right.

The protocol of Watch is walked through message by message: ticks, readings of the stream, events, echoes and what has
been applied are each on their way for as long as they like.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.cache.invalidation.leases import LEASE_SECONDS, Leases
from services.cache.invalidation.positions import StreamPosition
from tests.harness import models

keys = st.sampled_from("ab")


@dataclass
class Change:
    """One invalidation: its place, the key and the version that the key has since."""

    offset: int
    key: str
    version: int
    moved_at: float
    all_known: bool


@dataclass
class NearCache:
    """Somebody who holds values, serves them while a tick of theirs allows it, and is at one end of a stream."""

    number: int = 0
    begun: bool = False
    held: dict[str, int] = field(default_factory=dict)
    serves_until: float = 0.0
    said: list[tuple[str, float]] = field(default_factory=list)
    told: list[tuple[str, float]] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """Two near caches and one process of the service, which may be started anew at any time."""

    kind: type[Leases] = Leases
    minds_restarts = True

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.versions = {"a": 0, "b": 0}
        self.stream: list[Change] = []
        self.confirmed: list[Change] = []
        self.pending: list[Change] = []
        self.caches = [NearCache(), NearCache()]
        self.numbers = 0
        self.restart()

    @rule(milliseconds=st.sampled_from([1, 20, 120, 260, 499]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds / 1_000

    @rule()
    def restart(self) -> None:
        self.leases = self.kind()
        self.began_at = self.now
        self.ticks: list[tuple[NearCache, float, float]] = []
        self.reading: list[tuple[NearCache, float, float]] | None = None
        self.read_to = 0
        self.known = len(self.stream)
        for cache in self.caches:
            cache.number, cache.begun, cache.said, cache.told = 0, False, [], []

    @rule(pick=st.integers(0, 1))
    def connect(self, pick: int) -> None:
        cache = self.caches[pick]
        if cache.number:
            self.leases.leave(cache.number)
            self.ticks = [each for each in self.ticks if each[0] is not cache]
        self.numbers += 1
        cache.number, cache.begun, cache.said, cache.told = self.numbers, True, [], [("reset", float(self.known))]
        self.leases.join(cache.number)

    @rule(pick=st.integers(0, 1))
    def disconnect(self, pick: int) -> None:
        cache = self.caches[pick]
        if cache.number:
            self.leases.leave(cache.number)
            self.ticks = [each for each in self.ticks if each[0] is not cache]
            cache.number, cache.begun, cache.said, cache.told = 0, False, [], []

    @rule(pick=st.integers(0, 1), key=keys)
    def fill(self, pick: int, key: str) -> None:
        self.caches[pick].held[key] = self.versions[key]

    @rule(pick=st.integers(0, 1))
    def send_a_tick(self, pick: int) -> None:
        if self.caches[pick].number:
            self.caches[pick].said.append(("tick", self.now))

    @rule(pick=st.integers(0, 1))
    def hear(self, pick: int) -> None:
        """One message of a near cache's comes in."""
        cache = self.caches[pick]
        if not cache.said:
            return
        what, value = cache.said.pop(0)
        if what == "tick":
            self.leases.record_tick(cache.number, self.now)
            self.ticks.append((cache, value, self.now))
        else:
            self.leases.record_applied(cache.number, StreamPosition("e", int(value)))

    @precondition(lambda self: self.reading is None)
    @rule()
    def begin_reading(self) -> None:
        self.reading, self.ticks = self.ticks, []
        self.read_to = len(self.stream)

    @precondition(lambda self: self.reading is not None)
    @rule(fails=st.booleans())
    def end_reading(self, fails: bool) -> None:
        reading, self.reading = self.reading or [], None
        if not fails:
            for change in self.stream[self.known : self.read_to]:
                for cache in self.caches:
                    if cache.begun:
                        cache.told.append((change.key, float(change.offset)))
            self.known = self.read_to
        numbers = {}
        for cache, tick, at in reading:
            numbers[id(cache)] = (cache.number, at)
            if not fails and cache.number:
                cache.told.append(("echo", tick))
        for number, at in numbers.values():
            self.leases.settle_ticks(number, at, echoed=not fails)

    @rule(pick=st.integers(0, 1))
    def be_told(self, pick: int) -> None:
        """A near cache takes in one message, and says how far it is."""
        cache = self.caches[pick]
        if not cache.told:
            return
        what, value = cache.told.pop(0)
        if what == "echo":
            cache.serves_until = max(cache.serves_until, value + LEASE_SECONDS)
            return
        if what == "reset":
            cache.held.clear()
        else:
            cache.held.pop(what, None)
        cache.said.append(("applied", value))

    @precondition(lambda self: self.reading is None)
    @rule(pick=st.integers(0, 1), key=keys)
    def go_round(self, pick: int, key: str) -> None:
        """All at once what has to happen, mostly, before anything is served."""
        if not self.caches[pick].number:
            self.connect(pick)
        self.send_a_tick(pick)
        while self.caches[pick].said:
            self.hear(pick)
        self.begin_reading()
        self.end_reading(fails=False)
        while self.caches[pick].told:
            self.be_told(pick)
        self.fill(pick, key)

    @rule(key=keys)
    def change(self, key: str) -> None:
        self.versions[key] += 1
        all_known = not self.minds_restarts or self.now - self.began_at >= LEASE_SECONDS
        change = Change(len(self.stream) + 1, key, self.versions[key], self.now, all_known)
        self.stream.append(change)
        self.pending.append(change)

    @invariant()
    def nobody_serves_what_was_confirmed_to_be_gone(self) -> None:
        for change in tuple(self.pending):
            position = StreamPosition("e", change.offset)
            until = self.leases.may_serve_until(position, change.moved_at, all_known=change.all_known)
            if until <= self.now:
                self.pending.remove(change)
                self.confirmed.append(change)
        for cache in self.caches:
            if self.now < cache.serves_until:
                for change in self.confirmed:
                    assert cache.held.get(change.key, change.version) >= change.version, "it serves what is gone"

    @invariant()
    def nothing_waits_longer_than_a_lease(self) -> None:
        for change in self.pending:
            assert self.now < change.moved_at + LEASE_SECONDS


class ForgetsWhoLeft(Leases):
    """The protection off: a stream that has ended is taken for a near cache that serves no more."""

    def leave(self, reader: int) -> None:
        del self._leases[reader]


class MindsEchoesAlone(Leases):
    """The protection off: a tick that waits is not counted until it has been echoed."""

    def record_tick(self, reader: int, at: float) -> None:
        pass


def walk(machine: Machine, *steps: Callable[[Machine], None]) -> None:
    """Take these steps one by one, with the machine's own checks after each."""
    for step in steps:
        step(machine)
        machine.nobody_serves_what_was_confirmed_to_be_gone()


def who_left(machine: Machine) -> None:
    walk(
        machine,
        lambda m: m.time_passes(milliseconds=500),
        lambda m: m.go_round(pick=0, key="a"),
        lambda m: m.disconnect(pick=0),
        lambda m: m.change(key="a"),
    )


def a_tick_that_waits(machine: Machine) -> None:
    walk(
        machine,
        lambda m: m.time_passes(milliseconds=500),
        lambda m: m.go_round(pick=0, key="a"),
        lambda m: m.time_passes(milliseconds=499),
        lambda m: m.send_a_tick(pick=0),
        lambda m: m.hear(pick=0),
        lambda m: m.hear(pick=0),
        lambda m: m.begin_reading(),
        lambda m: m.time_passes(milliseconds=20),
        lambda m: m.change(key="a"),
        lambda m: m.end_reading(fails=False),
        lambda m: m.be_told(pick=0),
    )


def a_restart(machine: Machine) -> None:
    walk(machine, lambda m: m.go_round(pick=0, key="a"), lambda m: m.restart(), lambda m: m.change(key="a"))


WALKS = [
    (who_left, {"kind": ForgetsWhoLeft}),
    (a_tick_that_waits, {"kind": MindsEchoesAlone}),
    (a_restart, {"minds_restarts": False}),
]


def test_what_is_confirmed_to_be_gone_is_never_served() -> None:
    """R16, R34: within a lease everything is confirmed, and nothing too soon."""
    models.explore(Machine, examples=300, steps=50)


@pytest.mark.parametrize(("steps", "protection_off"), WALKS)
def test_without_the_protection_somebody_serves_it(
    steps: Callable[[Machine], None], protection_off: dict[str, Any]
) -> None:
    steps(Machine())
    with pytest.raises(AssertionError, match="it serves what is gone"):
        steps(type("Unprotected", (Machine,), protection_off)())
