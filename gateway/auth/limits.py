"""How often an address may ask for a path, and how often anybody may try an account's password.

Counts are this process's own, in bounded memory: what has been quiet longest is forgotten first.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests, until there has been none for `seconds`."""

    requests: int
    seconds: float


EVERYTHING = Limit(100, 10)
BY_PREFIX = (
    (("/sign-in", "/sign-up", "/change-password", "/change-email"), Limit(3, 10)),
    (("/request-password-reset", "/send-verification-email", "/forget-password"), Limit(3, 60)),
)
ACCOUNT = Limit(10, 60)
MAX_KEY = 512


def limit_of(path: str) -> Limit:
    """Return the limit of a path below /api/auth, as the original has it."""
    return next((limit for prefixes, limit in BY_PREFIX if path.startswith(prefixes)), EVERYTHING)


class Windows:
    """Counts by key. A count starts anew after a full window without an allowed request."""

    def __init__(self, *, capacity: int = 50_000, monotonic: Monotonic = time.monotonic) -> None:
        self._capacity = capacity
        self._monotonic = monotonic
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, key: str, limit: Limit) -> int:
        """Count a request; return 0 if it is allowed, else in how many seconds one will be."""
        key, now = key[:MAX_KEY], self._monotonic()
        count, last = self._counts.get(key, (0, now))
        if now - last >= limit.seconds:
            count = 0
        if count >= limit.requests:
            return max(1, math.ceil(last + limit.seconds - now))
        self._counts[key] = (count + 1, now)
        self._counts.move_to_end(key)
        if len(self._counts) > self._capacity:
            self._counts.popitem(last=False)
        return 0


class AccountTries:
    """How often a password may be tried for one account, from however many addresses.

    An address from which the account was opened before has a count of its own, so that strangers who use up the
    account's do not lock its owner out.
    """

    def __init__(self, *, capacity: int = 50_000, monotonic: Monotonic = time.monotonic) -> None:
        self._windows = Windows(capacity=capacity, monotonic=monotonic)
        self._capacity = capacity
        self._owners: OrderedDict[str, None] = OrderedDict()

    def take(self, account: str, address: str) -> int:
        """Count a try for an email or a user id; return 0 if it is allowed, else in how many seconds one will be."""
        own = self._own(account, address)
        return self._windows.take(own if own in self._owners else account.lower(), ACCOUNT)

    def opened(self, account: str, address: str) -> None:
        """Remember that the account's owner has signed in from this address."""
        own = self._own(account, address)
        self._owners[own] = None
        self._owners.move_to_end(own)
        if len(self._owners) > self._capacity:
            self._owners.popitem(last=False)

    def _own(self, account: str, address: str) -> str:
        return f"{address} {account.lower()}"[:MAX_KEY]
