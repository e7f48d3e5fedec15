"""The near cache, its stream and the rule for confirming, against what was true when.

The model is the whole protocol as the design has it: a stream of invalidations, one ordered way to the reader, reads
that take their time, ticks that are echoed behind what came before them, and an Invalidate that returns when the
reader has applied it or its lease has run out. After that no older value may be served.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from trivet.client.near.near_cache import SERVE_SECONDS, NearCache, StreamPosition

pytestmark = pytest.mark.slow

KEYS = {"a": ("t",), "b": ("t", "u"), "c": ("u",)}
STEPS = settings(max_examples=150, stateful_step_count=40, deadline=None)


class Protocol(RuleBasedStateMachine):
    """One reader, one stream, and a clock that all share, as time itself is shared."""

    unsafe: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.near = NearCache(max_bytes=2_000, max_invalidated_tags=2, monotonic=lambda: self.now, unsafe=self.unsafe)
        self.epoch, self.offset = "e0", 0
        self.version = dict.fromkeys(KEYS, 0)
        self.confirmed = dict.fromkeys(KEYS, 0)
        self.unconfirmed: list[tuple[StreamPosition, dict[str, int]]] = []
        self.way: deque[Callable[[], None]] = deque()
        self.lease_end = 0.0
        self.reads: list[tuple[str, int, StreamPosition]] = []
        self.send_reset()

    @property
    def position(self) -> StreamPosition:
        return StreamPosition(self.epoch, self.offset)

    def send_reset(self) -> None:
        position = self.position
        self.way.append(lambda: self.near.reset(position))

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.6]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.confirm()

    @rule()
    def a_tick_is_sent_and_will_come_back(self) -> None:
        tick = self.now
        self.lease_end = tick + SERVE_SECONDS
        self.way.append(lambda: self.near.tick_echoed(tick))

    @rule()
    def the_reader_hears_the_next_thing(self) -> None:
        if self.way:
            self.way.popleft()()
        self.confirm()

    @rule(tag=st.sampled_from("tuv"))
    def something_changes_and_its_tag_is_invalidated(self, tag: str) -> None:
        self.offset += 1
        for key, tags in KEYS.items():
            self.version[key] += tag in tags
        position = self.position
        self.way.append(lambda: self.near.invalidate(position, [tag]))
        self.unconfirmed.append((position, dict(self.version)))

    @rule()
    def a_new_epoch_begins(self) -> None:
        """A fail-over that lost what had not been copied: what was filled before counts for nothing."""
        self.epoch, self.offset = f"e{self.offset + 1}", self.offset + 1
        self.version = {key: version + 1 for key, version in self.version.items()}
        self.send_reset()
        self.unconfirmed.append((self.position, dict(self.version)))

    @rule(key=st.sampled_from(sorted(KEYS)))
    def a_read_reaches_the_cache(self, key: str) -> None:
        self.reads.append((key, self.version[key], self.position))

    @rule(late=st.integers(0, 3))
    def the_answer_of_a_read_comes(self, late: int) -> None:
        if self.reads:
            key, version, position = self.reads.pop(-1 - late % len(self.reads))
            self.near.put(key, version, size=10, position=position, tags=KEYS[key], expires=self.now + 5)

    @rule(key=st.sampled_from(sorted(KEYS)))
    def somebody_asks(self, key: str) -> None:
        held = self.near.get(key)
        if held is not None:
            assert isinstance(held.value, int)
            assert held.value >= self.confirmed[key], f"{key}: served {held.value}, confirmed {self.confirmed[key]}"

    def confirm(self) -> None:
        """Let every Invalidate return that may: applied, or nobody can be serving what is older."""
        applied, has_run_out = self.near.applied, self.now >= self.lease_end
        while self.unconfirmed:
            position, version = self.unconfirmed[0]
            if not has_run_out and position not in (applied, *self._before(applied)):
                return
            self.confirmed = {key: max(self.confirmed[key], version[key]) for key in KEYS}
            self.unconfirmed.pop(0)

    def _before(self, applied: StreamPosition) -> list[StreamPosition]:
        return [position for position, _ in self.unconfirmed if position.offset <= applied.offset]


def without(*names: str) -> type[Protocol]:
    return type("Without", (Protocol,), {"unsafe": names})


def test_after_an_invalidation_is_confirmed_nothing_older_is_served() -> None:
    """R16, S4."""
    run_state_machine_as_test(Protocol, settings=STEPS)


@pytest.mark.parametrize("protection", ["ignore_watch", "ignore_epoch", "serve_always"])
def test_without_a_protection_something_older_is_served(protection: str) -> None:
    """R16: each of the three is needed. The search is the same in every run: one that is not found is never luck."""
    machine: Any = without(protection)
    found = settings(
        STEPS, max_examples=5_000, print_blob=False, derandomize=True, database=None, phases=[Phase.generate]
    )
    with pytest.raises(AssertionError, match="confirmed"):
        run_state_machine_as_test(machine, settings=found)
