"""How often is too often."""

import pytest

from gateway.auth.limits import ACCOUNT, EVERYTHING, MAX_KEY, AccountTries, Limit, Windows, limit_of


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/sign-in/email", Limit(3, 10)),
        ("/sign-up/email", Limit(3, 10)),
        ("/change-password", Limit(3, 10)),
        ("/request-password-reset", Limit(3, 60)),
        ("/send-verification-email", Limit(3, 60)),
        ("/get-session", Limit(100, 10)),
        ("/no-such-path", Limit(100, 10)),
    ],
)
def test_each_path_has_the_originals_limit(path: str, limit: Limit) -> None:
    assert limit_of(path) == limit


def test_a_count_starts_anew_only_after_a_full_window_of_quiet() -> None:
    clock = Clock()
    windows = Windows(monotonic=clock)
    limit = Limit(3, 10)
    for _ in range(3):
        assert windows.take("a", limit) == 0
        clock.now += 5  # each allowed request makes the window begin again
    assert windows.take("a", limit) == 5
    clock.now += 4.5
    assert windows.take("a", limit) == 1, "a refused request does not lengthen the wait"
    clock.now += 0.5
    assert windows.take("a", limit) == 0


def test_keys_are_counted_apart() -> None:
    windows = Windows(monotonic=Clock())
    assert [windows.take("a", Limit(1, 10)), windows.take("b", Limit(1, 10)), windows.take("a", Limit(1, 10))] == [
        0,
        0,
        10,
    ]


def test_memory_is_bounded_and_the_quietest_key_is_forgotten() -> None:
    clock = Clock()
    windows = Windows(capacity=100, monotonic=clock)
    for number in range(1_000):
        windows.take(str(number), EVERYTHING)
    assert len(windows) == 100


def test_the_eleventh_try_for_an_account_is_refused_from_any_address() -> None:
    """A4, H6: neither another address nor another spelling of the email helps."""
    clock = Clock()
    tries = AccountTries(monotonic=clock)
    for number in range(ACCOUNT.requests):
        assert tries.take("Ann@Example.com" if number % 2 else "ann@example.com", f"192.0.2.{number}") == 0
    assert tries.take("ANN@example.com", "198.51.100.1") == 60
    clock.now += 60
    assert tries.take("ann@example.com", "198.51.100.1") == 0


def test_strangers_cannot_lock_out_an_owner_who_has_signed_in_before() -> None:
    """A4."""
    tries = AccountTries(monotonic=Clock())
    tries.opened("ann@example.com", "203.0.113.7")
    for _ in range(50):
        tries.take("ann@example.com", "198.51.100.1")
    assert tries.take("ann@example.com", "203.0.113.7") == 0
    assert tries.take("ann@example.com", "203.0.113.8") > 0


def test_an_owners_address_has_a_limit_too() -> None:
    """A4: whoever shares the owner's address cannot try for ever."""
    tries = AccountTries(monotonic=Clock())
    tries.opened("ann@example.com", "203.0.113.7")
    waits = [tries.take("ann@example.com", "203.0.113.7") for _ in range(ACCOUNT.requests + 1)]
    assert waits == [0] * ACCOUNT.requests + [60]


def test_a_key_is_no_longer_than_it_need_be() -> None:
    """H6: what a client sends does not fill memory."""
    windows, long = Windows(monotonic=Clock()), "x" * MAX_KEY
    assert windows.take(f"{long}a", Limit(1, 10)) == 0
    assert windows.take(f"{long}b", Limit(1, 10)) == 10, "what is beyond is not kept"
