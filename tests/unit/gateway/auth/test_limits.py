"""How often is too often: by path and account, counted together or, without the cache service, alone."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from gateway.auth.protocol.limits import ACCOUNT, DEFAULT, MAIL, SENSITIVE, Limits
from gateway.auth.routes import ROUTES
from gateway.http.rate_limiter import Limit, RateLimiter, SharedRateLimiter, counted_locally
from tests.harness.clock import Clock
from tests.harness.waiting import until
from trivet.cache.v1.cache_pb2 import (
    BatchSetRequest,
    BatchSetResponse,
    GetRequest,
    GetResponse,
    Lookup,
)
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.cache.v1.rate_limit_service_pb2 import AcquireRequest, AcquireResponse
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub
from trivet.client.circuit_breaker import OPEN_SECONDS

HOME, STRANGER = "203.0.113.7", "198.51.100.1"


class Cache:
    """A cache service that counts on the same clock, until it is away; `asked` holds the rules asked for."""

    def __init__(self, clock: Clock) -> None:
        self.limiter = RateLimiter(monotonic=clock)
        self.marks: set[str] = set()
        self.asked: list[str] = []
        self.is_away = False

    async def Acquire(self, request: AcquireRequest, timeout: float) -> AcquireResponse:
        assert timeout == pytest.approx(0.1)
        self.asked.append(request.rule)
        await asyncio.sleep(0)
        self._check()
        limit = Limit(request.limit, request.period.seconds)
        seconds = self.limiter.acquire(f"{request.rule}|{request.subject}", limit)
        return AcquireResponse(allowed=not seconds, retry_after=Duration(seconds=seconds))

    async def Get(self, request: GetRequest, timeout: float) -> GetResponse:
        self._check()
        return GetResponse(lookup=Lookup(found=request.key in self.marks))

    async def BatchSet(self, request: BatchSetRequest, timeout: float) -> BatchSetResponse:
        self._check()
        self.marks.update(entry.key for entry in request.entries)
        return BatchSetResponse(stored=[True] * len(request.entries))

    def _check(self) -> None:
        if self.is_away:
            raise AioRpcError(StatusCode.UNAVAILABLE, Metadata(), Metadata())

    def limits(self, clock: Callable[[], float]) -> Limits:
        """Return the limits of another gateway before this cache."""
        shared, cache = cast(RateLimitServiceStub, self), cast(CacheServiceStub, self)
        return Limits(shared, cache, rate_limiter=RateLimiter(monotonic=clock))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(clock)


@pytest.fixture
def limiter(cache: Cache, clock: Clock) -> SharedRateLimiter:
    return SharedRateLimiter(cast(RateLimitServiceStub, cache), RateLimiter(monotonic=clock))


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/sign-in/email", Limit(3, 10)),
        ("POST", "/sign-in/social", Limit(3, 10)),
        ("POST", "/sign-up/email", Limit(3, 10)),
        ("POST", "/change-password", Limit(3, 10)),
        ("POST", "/change-email", Limit(3, 10)),
        ("POST", "/request-password-reset", Limit(3, 60)),
        ("POST", "/send-verification-email", Limit(3, 60)),
        ("GET", "/get-session", Limit(100, 10)),
    ],
)
def test_each_path_has_the_originals_limit(method: str, path: str, limit: Limit) -> None:
    assert ROUTES.endpoints[method, path].limit == limit


def test_all_methods_of_a_path_have_one_limit() -> None:
    """They are counted together."""
    limits: dict[str, Limit] = {}
    for endpoint in ROUTES.endpoints.values():
        assert limits.setdefault(endpoint.path, endpoint.limit) == endpoint.limit


async def test_two_gateways_share_one_count(cache: Cache, clock: Clock) -> None:
    """H6: without sharing, each would allow the limit by itself."""
    gateways = [cache.limits(clock) for _ in range(2)]
    waits = [await gateways[number % 2].path("/sign-in/email", STRANGER, SENSITIVE) for number in range(6)]
    assert waits == [0, 0, 0, 10, 10, 10]


async def test_what_the_cache_refuses_does_not_lengthen_the_wait_here(cache: Cache, clock: Clock) -> None:
    first, second = cache.limits(clock), cache.limits(clock)
    for _ in range(3):
        assert await first.path("/sign-in/email", STRANGER, SENSITIVE) == 0
    for _ in range(9):
        clock.now += 1
        assert await second.path("/sign-in/email", STRANGER, SENSITIVE) > 0
    clock.now += 1
    assert [await second.path("/sign-in/email", STRANGER, SENSITIVE) for _ in range(4)] == [0, 0, 0, 10]


async def test_what_the_cache_refuses_is_refused_here_until_then_without_asking_again(
    cache: Cache, clock: Clock
) -> None:
    """H6: a gateway that never allowed anything itself would ask for each of a flood."""
    first, second = cache.limits(clock), cache.limits(clock)
    for _ in range(3):
        assert await first.path("/sign-in/email", STRANGER, SENSITIVE) == 0
    assert min([await second.path("/sign-in/email", STRANGER, SENSITIVE) for _ in range(5)]) > 0
    assert len(cache.asked) == 3 + 1


async def test_what_is_counted_here_while_the_cache_is_asked_counts_for_it_too(cache: Cache, clock: Clock) -> None:
    """H6: hits are counted here alone; both together are allowed the limit, and not each of them."""
    own, limit = RateLimiter(monotonic=clock), Limit(10, 10)
    shared = SharedRateLimiter(cast(RateLimitServiceStub, cache), own)
    asked = [asyncio.create_task(shared.acquire("r", "a", limit)) for _ in range(10)]
    await until(lambda: len(cache.asked) == 10)
    hits = [own.acquire("r|a", limit) for _ in range(6)]
    assert [*hits, *await asyncio.gather(*asked)].count(0) == 10


async def test_a_cache_that_goes_away_hands_out_no_second_allowance(limiter: SharedRateLimiter, cache: Cache) -> None:
    """H6: what the cache allowed was counted here too; never unlimited, and each time it is counted."""
    before = counted_locally._value.get()
    assert [await limiter.acquire("r", "a", Limit(3, 10)) for _ in range(2)] == [0, 0]
    cache.is_away = True
    assert [await limiter.acquire("r", "a", Limit(3, 10)) for _ in range(3)] == [0, 10, 10]
    assert counted_locally._value.get() == before + 1
    cache.limiter, cache.is_away = RateLimiter(), False  # it is back and has forgotten
    assert await limiter.acquire("r", "a", Limit(3, 10)) == 10


async def test_fifty_at_once_without_the_cache_are_allowed_exactly_the_limit(
    limiter: SharedRateLimiter, cache: Cache
) -> None:
    """H6: all have asked before any is counted."""
    cache.is_away = True
    waits = await asyncio.gather(*(limiter.acquire("r", "a", Limit(7, 10)) for _ in range(50)))
    assert (waits.count(0), len(cache.asked)) == (7, 50)


async def test_a_cache_that_is_away_is_left_alone_for_a_second(
    limiter: SharedRateLimiter, cache: Cache, clock: Clock
) -> None:
    cache.is_away = True
    for _ in range(5):
        await limiter.acquire("r", "a", DEFAULT)
    assert len(cache.asked) == 1
    cache.is_away = False
    clock.now += OPEN_SECONDS
    await limiter.acquire("r", "a", DEFAULT)
    assert len(cache.asked) == 2


async def test_one_rpc_counts_a_request(cache: Cache, clock: Clock) -> None:
    limits = cache.limits(clock)
    await limits.path("/get-session", STRANGER, DEFAULT)
    await limits.password("ann@example.com", STRANGER)
    await limits.mail("ann@example.com", STRANGER)
    assert cache.asked == ["path", "password", "mail"]


async def test_the_eleventh_try_for_an_account_is_refused_from_any_address(cache: Cache, clock: Clock) -> None:
    """A4, H6: neither another address nor another spelling of the email, nor another gateway, helps."""
    gateways = [cache.limits(clock) for _ in range(2)]
    for number in range(ACCOUNT.requests):
        email = "Ann@Example.com" if number % 2 else "ann@example.com"
        assert await gateways[number % 2].password(email, f"192.0.2.{number}") == 0
    assert await gateways[0].password("ANN@example.com", STRANGER) == 60
    clock.now += 60
    assert await gateways[0].password("ann@example.com", STRANGER) == 0


async def test_strangers_cannot_lock_out_an_owner_who_has_signed_in_at_another_gateway(
    cache: Cache, clock: Clock
) -> None:
    """A4."""
    first, second = cache.limits(clock), cache.limits(clock)
    first.opened(["Ann@example.com", "id"], HOME)
    await until(lambda: len(cache.marks) == 2)
    for _ in range(50):
        await second.password("ann@example.com", STRANGER)
    assert await second.password("ann@example.com", HOME) == 0
    assert await second.password("ann@example.com", "203.0.113.8") > 0


async def test_an_owner_is_known_without_the_cache_where_they_signed_in(cache: Cache, clock: Clock) -> None:
    """A4."""
    cache.is_away = True
    limits = cache.limits(clock)
    limits.opened(["ann@example.com"], HOME)
    for _ in range(50):
        await limits.password("ann@example.com", STRANGER)
    assert await limits.password("ann@example.com", HOME) == 0
    assert await limits.password("ann@example.com", "203.0.113.8") > 0


async def test_an_owners_address_has_a_limit_too(cache: Cache, clock: Clock) -> None:
    """A4: whoever shares the owner's address cannot try for ever."""
    limits = cache.limits(clock)
    limits.opened(["ann@example.com"], HOME)
    waits = [await limits.password("ann@example.com", HOME) for _ in range(ACCOUNT.requests + 1)]
    assert waits == [0] * ACCOUNT.requests + [60]


async def test_an_address_is_mailed_three_times_a_minute_and_its_owner_is_not_kept_from_it(
    cache: Cache, clock: Clock
) -> None:
    """A3, A4: whether anybody has the email is not looked at."""
    limits = cache.limits(clock)
    limits.opened(["ann@example.com"], HOME)
    emails = ["ann@example.com", "Ann@example.com", "ANN@EXAMPLE.COM", "ann@example.com"]
    waits = [await limits.mail(email, f"192.0.2.{number}") for number, email in enumerate(emails)]
    assert waits == [0] * MAIL.requests + [MAIL.seconds]
    assert await limits.mail("ann@example.com", HOME) == 0


@pytest.mark.parametrize(
    ("path", "body", "email"),
    [
        ("/request-password-reset", {"email": "a@x.io"}, "a@x.io"),
        ("/send-verification-email", {"email": "a@x.io"}, "a@x.io"),
        ("/change-email", {"newEmail": "a@x.io"}, "a@x.io"),
        ("/sign-in/email", {"email": "a@x.io"}, ""),
        ("/request-password-reset", {"email": ["a@x.io"]}, ""),
        ("/request-password-reset", ["a@x.io"], ""),
    ],
)
def test_a_path_that_mails_says_to_whom(path: str, body: object, email: str) -> None:
    assert ROUTES.endpoints["POST", path].mailed_address(body) == email
