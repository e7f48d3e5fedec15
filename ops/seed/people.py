"""Seeded users with what belongs to them. The same seed makes the same users on the same day."""

import hashlib
import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.seed.words import AGENTS, FIRST, LAST, NOTICES, PLANS, REQUESTS, STATUSES
from runtime.ids import ALPHABET, ID_LENGTH
from services.identity.passwords.credentials import CREDENTIAL
from services.identity.sessions.session import Lifetimes
from services.identity.users.users import Role

CHUNK = 5_000
"""How many users are made and stored together."""
OLDEST_DAYS = 730
SOCIAL_SHARE, SUBSCRIBED_SHARE, BANNED_SHARE, VERIFIED_SHARE = 0.25, 0.2, 0.005, 0.9
SESSION_COUNTS = (0, 1, 1, 1, 2, 3)
NOTICE_COUNTS = (0, 1, 2, 5)
LOG_COUNTS = (0, 1, 1, 2)
PROVIDERS = (("github", "https://github.com"), ("google", "https://accounts.google.com"))
SESSION_LIFETIME = Lifetimes().expires
NOTICE_LIFETIME = timedelta(days=30)
LOG_LIFETIME = timedelta(days=14)
_LETTERS = bytes(ord(ALPHABET[value % len(ALPHABET)]) for value in range(256))

Row = tuple[Any, ...]
Document = dict[str, Any]
COLUMNS: dict[str, tuple[str, ...]] = {
    "users": (
        *("id", "created_at", "updated_at", "email", "name", "image", "email_verified", "role", "banned"),
        *("ban_reason", "ban_expires"),
    ),
    "accounts": ("id", "created_at", "updated_at", "user_id", "account_id", "provider", "issuer", "scope", "password"),
    "sessions": (
        *("id", "created_at", "updated_at", "user_id", "token_hash", "expires_at", "remembered", "ip_address"),
        "user_agent",
    ),
    "subscriptions": (
        *("id", "created_at", "updated_at", "user_id", "plan", "status", "stripe_customer_id"),
        *("stripe_subscription_id", "period_start", "period_end", "cancel_at_period_end", "seats"),
    ),
}
"""The columns of the rows, by table, in the order in which foreign keys want them to be stored."""


def domain_of(seed: int) -> str:
    """Return the domain of a seed's addresses. RFC 2606 reserves `example`, so no mail can reach anyone."""
    return f"seed-{seed}.example"


@dataclass(frozen=True)
class Chunk:
    """Some users: the rows of every table, and the documents of every collection."""

    rows: dict[str, list[Row]]
    documents: dict[str, list[Document]]
    users: int


@dataclass(frozen=True)
class Seed:
    """`users` users of a seed, as they are at the beginning of `day`. All have the password of `password_hash`."""

    seed: int
    users: int
    day: datetime
    password_hash: str

    @classmethod
    def today(cls, seed: int, users: int, password_hash: str) -> "Seed":
        """Return the seed of this day in UTC."""
        now = datetime.now(UTC)
        return cls(seed, users, now.replace(hour=0, minute=0, second=0, microsecond=0), password_hash)

    def chunks(self) -> Iterator[Chunk]:
        """Make the users, CHUNK by CHUNK."""
        for first in range(0, self.users, CHUNK):
            yield self._chunk(first, min(first + CHUNK, self.users))

    def _chunk(self, first: int, end: int) -> Chunk:
        # A generator of its own: a chunk is the same however many there are.
        maker = _Maker(self, random.Random(f"{self.seed}/{first}"))  # noqa: S311  # reproducible, not secret
        for number in range(first, end):
            maker.add(number)
        return Chunk(maker.rows, maker.documents, end - first)


class _Maker:
    def __init__(self, seed: Seed, dice: random.Random) -> None:
        self._seed = seed
        self._dice = dice
        self.rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
        self.documents: dict[str, list[Document]] = {"notifications": [], "logs": []}

    def add(self, number: int) -> None:
        """Make one user. The first of a seed is an administrator."""
        dice, day = self._dice, self._seed.day
        user_id = self._id()
        first, last = dice.choice(FIRST), dice.choice(LAST)
        created = day - timedelta(seconds=int(OLDEST_DAYS * 86_400 * dice.random() ** 2) + 1)
        banned = number > 0 and dice.random() < BANNED_SHARE
        self.rows["users"].append(
            (
                user_id,
                created,
                created,
                f"{_plain(first)}.{_plain(last)}.{number}@{domain_of(self._seed.seed)}",
                f"{first} {last}",
                f"https://images.example/{user_id}.png" if dice.random() < SOCIAL_SHARE else None,
                number == 0 or dice.random() < VERIFIED_SHARE,
                (Role.USER if number else Role.ADMIN).value,
                banned,
                "spam" if banned else None,
                None,
            )
        )
        self._accounts(user_id, created)
        if not banned:
            self._sessions(user_id)
        if dice.random() < SUBSCRIBED_SHARE:
            self._subscription(user_id, created)
        self._notices(user_id)
        self._logs(user_id)

    def _accounts(self, user_id: str, created: datetime) -> None:
        own = (user_id, CREDENTIAL, "", None, self._seed.password_hash)
        self.rows["accounts"].append((self._id(), created, created, user_id, *own))
        if self._dice.random() < SOCIAL_SHARE:
            provider, issuer = self._dice.choice(PROVIDERS)
            theirs = (str(self._dice.getrandbits(40)) + user_id[:8], provider, issuer, "openid email profile", None)
            self.rows["accounts"].append((self._id(), created, created, user_id, *theirs))

    def _sessions(self, user_id: str) -> None:
        for _ in range(self._dice.choice(SESSION_COUNTS)):
            began = self._recently(SESSION_LIFETIME - timedelta(days=1))
            token_hash = hashlib.sha256(self._id().encode()).hexdigest()
            ends, address = began + SESSION_LIFETIME, f"203.0.113.{self._dice.randrange(1, 255)}"
            agent = self._dice.choice(AGENTS)
            self.rows["sessions"].append((self._id(), began, began, user_id, token_hash, ends, True, address, agent))

    def _subscription(self, user_id: str, created: datetime) -> None:
        dice = self._dice
        plan, status = dice.choice(PLANS), dice.choice(STATUSES)
        began = self._recently(timedelta(days=30))
        stripe = (None, None) if plan == "free" else (f"cus_seed{user_id[:14]}", f"sub_seed{user_id}")
        seats = dice.randrange(2, 50) if plan == "team" else None
        terms = (began, began + timedelta(days=30), dice.random() < 0.05, seats)
        self.rows["subscriptions"].append((self._id(), created, began, user_id, plan, status, *stripe, *terms))

    def _notices(self, user_id: str) -> None:
        for _ in range(self._dice.choice(NOTICE_COUNTS)):
            topic, title, message = self._dice.choice(NOTICES)
            at = self._recently(NOTICE_LIFETIME - timedelta(days=1))
            self.documents["notifications"].append(
                {
                    "_id": self._id(),
                    "userId": user_id,
                    "type": "in-app",
                    "title": title,
                    "message": message.format(name=self._dice.choice(FIRST)),
                    "topic": topic,
                    "data": {},
                    "read": self._dice.random() < 0.6,
                    "createdAt": at,
                    "updatedAt": at,
                    "expiresAt": at + NOTICE_LIFETIME,
                }
            )

    def _logs(self, user_id: str) -> None:
        for _ in range(self._dice.choice(LOG_COUNTS)):
            method, endpoint, status, level = self._dice.choice(REQUESTS)
            at = self._recently(LOG_LIFETIME - timedelta(days=1))
            self.documents["logs"].append(
                {
                    "_id": self._id(),
                    "timestamp": at,
                    "level": level,
                    "message": f"{method} {endpoint} {status}",
                    "userId": user_id,
                    "endpoint": endpoint,
                    "method": method,
                    "status": status,
                    "durationMs": round(self._dice.expovariate(0.1), 3),
                    "service": "gateway",
                    "traceId": f"{self._dice.getrandbits(128):032x}",
                    "spanId": f"{self._dice.getrandbits(64):016x}",
                    "attributes": {},
                    "expiresAt": at + LOG_LIFETIME,
                }
            )

    def _recently(self, span: timedelta) -> datetime:
        """Return a time in the span before the day, to the millisecond."""
        return self._seed.day - timedelta(milliseconds=self._dice.randrange(1, int(span.total_seconds() * 1_000)))

    def _id(self) -> str:
        return self._dice.randbytes(ID_LENGTH).translate(_LETTERS).decode()


def _plain(name: str) -> str:
    """Return a name as people write it in an address."""
    plain = name.replace("Ł", "L").replace("ł", "l").replace("ø", "o")
    letters = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in letters if letter.isalnum() or letter == "-")
