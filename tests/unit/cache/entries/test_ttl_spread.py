"""How far a time to live is taken down so that what is filled together does not expire together."""

from hypothesis import given
from hypothesis import strategies as st

from services.cache.request_validation import jitter


@given(st.integers(1, 10**10), st.floats(0, 1, exclude_max=True))
def test_at_most_a_tenth_is_taken_off_and_never_the_last_millisecond(ttl_ms: int, chance: float) -> None:
    assert max(1, ttl_ms * 0.9) <= jitter(ttl_ms, chance) <= ttl_ms


def test_by_no_chance_nothing_is_taken_off() -> None:
    assert jitter(30_000, 0) == 30_000
    assert jitter(30_000, 0.5) == 28_500
