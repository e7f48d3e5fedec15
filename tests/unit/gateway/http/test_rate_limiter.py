"""Counts of one process in limiter: when they begin anew, what they hold, and threads that count at once."""

from concurrent.futures import ThreadPoolExecutor

from gateway.auth.protocol.limits import DEFAULT
from gateway.http.rate_limiter import MAX_KEY, Limit, RateLimiter
from tests.harness.clock import Clock


def test_a_count_starts_anew_only_after_a_full_window_of_quiet() -> None:
    clock = Clock()
    limiter = RateLimiter(monotonic=clock)
    limit = Limit(3, 10)
    for _ in range(3):
        assert limiter.acquire("a", limit) == 0
        clock.now += 5  # each allowed request makes the window begin again
    assert limiter.acquire("a", limit) == 5
    clock.now += 4.5
    assert limiter.acquire("a", limit) == 1, "a refused request does not lengthen the wait"
    clock.now += 0.5
    assert limiter.acquire("a", limit) == 0


def test_keys_are_counted_apart() -> None:
    limiter = RateLimiter(monotonic=Clock())
    assert [
        limiter.acquire("a", Limit(1, 10)),
        limiter.acquire("b", Limit(1, 10)),
        limiter.acquire("a", Limit(1, 10)),
    ] == [
        0,
        0,
        10,
    ]


def test_memory_is_bounded_and_the_quietest_key_is_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(capacity=100, monotonic=clock)
    for number in range(1_000):
        limiter.acquire(str(number), DEFAULT)
    assert len(limiter) == 100


def test_threads_that_take_at_once_are_allowed_exactly_the_limit() -> None:
    """H6: hits are counted by the thread that answers them, other requests by the event loop's."""
    limiter, limit = RateLimiter(), Limit(1_000, 3_600)

    def allowed() -> int:
        return [limiter.acquire("k", limit) for _ in range(1_000)].count(0)

    with ThreadPoolExecutor(4) as threads:
        assert sum(each.result() for each in [threads.submit(allowed) for _ in range(4)]) == 1_000


def test_what_is_only_asked_about_is_not_counted() -> None:
    limiter = RateLimiter(monotonic=Clock())
    assert [limiter.retry_after("a", Limit(1, 10)) for _ in range(3)] == [0, 0, 0]
    assert limiter.acquire("a", Limit(1, 10)) == 0
    assert limiter.retry_after("a", Limit(1, 10)) == 10


def test_a_key_is_no_longer_than_it_need_be() -> None:
    """H6: what a client sends does not fill memory."""
    limiter, long = RateLimiter(monotonic=Clock()), "x" * MAX_KEY
    assert limiter.acquire(f"{long}a", Limit(1, 10)) == 0
    assert limiter.acquire(f"{long}b", Limit(1, 10)) == 10, "what is beyond is not kept"
