"""Rate limits of the auth routes: by address and path, by account for passwords, and by email for mail."""

from collections.abc import Iterable

from gateway.auth.protocol.known_addresses import KnownAddresses
from gateway.http.rate_limiter import Limit, RateLimiter, SharedRateLimiter
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub
from trivet.cache.v1.rate_limit_service_pb2_grpc import RateLimitServiceStub

DEFAULT = Limit(100, 10)
"""The limit of a path that declares no other, and of all paths together that are not served."""
SENSITIVE = Limit(3, 10)
"""The original's limit of sign-in, sign-up and changes of the credentials."""
MAILING = Limit(3, 60)
"""The original's limit of the paths that send mail to an address without a session."""
ACCOUNT = Limit(10, 60)
MAIL = Limit(3, 60)


class Limits:
    """Counts requests. Each method returns 0 if the request is allowed, else the seconds until one will be.

    An address from which the account's owner has signed in has a separate count. So strangers who use up the account's
    limit do not lock its owner out. Emails are counted in lower case, as they are stored.
    """

    def __init__(
        self, shared: RateLimitServiceStub, cache: CacheServiceStub, *, rate_limiter: RateLimiter | None = None
    ) -> None:
        self._rate_limiter = SharedRateLimiter(shared, RateLimiter() if rate_limiter is None else rate_limiter)
        self._known = KnownAddresses(cache)

    async def path(self, path: str, address: str, limit: Limit) -> int:
        """Count a request for a path. All paths that are not served are one, the empty one."""
        return await self._rate_limiter.acquire("path", f"{address}|{path}", limit)

    async def password(self, account: str, address: str) -> int:
        """Count an attempt at the password of an email or a user id, over all addresses."""
        return await self._of_account("password", account, address, ACCOUNT)

    async def mail(self, email: str, address: str) -> int:
        """Count a mail to an email address, whether or not an account has it."""
        return await self._of_account("mail", email, address, MAIL)

    def opened(self, accounts: Iterable[str], address: str) -> None:
        """Record that the owner of these emails and user ids has signed in from this address."""
        self._known.add((account.lower() for account in accounts), address)

    async def _of_account(self, rule: str, account: str, address: str, limit: Limit) -> int:
        account = account.lower()
        if not self._known.has_seen(account, address):
            seconds = await self._rate_limiter.acquire(rule, account, limit)
            if not seconds or not await self._known.has(account, address):
                return seconds
        return await self._rate_limiter.acquire(f"{rule}-known", f"{address} {account}", limit)
