"""How often an address may ask for a path, and how often anybody may try an account's password or have it sent mail."""

from collections.abc import Iterable

from gateway.auth.protocol.known_addresses import KnownAddresses
from gateway.http.rate_limiter import Limit, SharedWindows, Windows
from trivet.cache.v1.cache_pb2_grpc import CacheServiceStub, RateLimitServiceStub

EVERYTHING = Limit(100, 10)
BY_PREFIX = (
    (("/sign-in", "/sign-up", "/change-password", "/change-email"), Limit(3, 10)),
    (
        (
            "/request-password-reset",
            "/send-verification-email",
            "/forget-password",
            "/email-otp/send-verification-otp",
            "/email-otp/request-password-reset",
        ),
        Limit(3, 60),
    ),
)
ACCOUNT = Limit(10, 60)
MAIL = Limit(3, 60)

MAILED = {"/request-password-reset": "email", "/send-verification-email": "email", "/change-email": "newEmail"}
"""Paths that send mail to whatever address the body names, and in which of its members."""


def limit_of(path: str) -> Limit:
    """Return the limit of a path below /api/auth, as the original has it."""
    return next((limit for prefixes, limit in BY_PREFIX if path.startswith(prefixes)), EVERYTHING)


def mailed(path: str, body: object) -> str:
    """Return the email address that a request would have mail sent to, empty if none."""
    member = MAILED.get(path)
    address = body.get(member) if member is not None and isinstance(body, dict) else None
    return address if isinstance(address, str) else ""


class Limits:
    """Each method counts a request and returns 0 if it is allowed, else in how many seconds one will be.

    An address from which the account was opened before has a count of its own, so that strangers who use up the
    account's do not lock its owner out. Emails count in lower case, as they are stored.
    """

    def __init__(
        self, shared: RateLimitServiceStub, cache: CacheServiceStub, *, windows: Windows | None = None
    ) -> None:
        self._windows = SharedWindows(shared, Windows() if windows is None else windows)
        self._known = KnownAddresses(cache)

    async def path(self, path: str, address: str) -> int:
        """Count a request for a path; whatever is no endpoint is all one path, the empty one."""
        return await self._windows.take("path", f"{address}|{path}", limit_of(path))

    async def password(self, account: str, address: str) -> int:
        """Count a try of the password of an email or a user id, from however many addresses."""
        return await self._of_account("password", account, address, ACCOUNT)

    async def mail(self, email: str, address: str) -> int:
        """Count a mail to an email address, whether anybody has it or not."""
        return await self._of_account("mail", email, address, MAIL)

    def opened(self, accounts: Iterable[str], address: str) -> None:
        """Remember that the owner of these, emails and ids, has signed in from this address."""
        self._known.add((account.lower() for account in accounts), address)

    async def _of_account(self, rule: str, account: str, address: str, limit: Limit) -> int:
        account = account.lower()
        if not self._known.has_seen(account, address):
            seconds = await self._windows.take(rule, account, limit)
            if not seconds or not await self._known.has(account, address):
                return seconds
        return await self._windows.take(f"{rule}-known", f"{address} {account}", limit)
