"""One sign-in at a provider from its begin to its callback: state, nonce and verifier, sealed, good for one time."""

import json
import secrets
import string
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from runtime.ids import token_hash
from runtime.sealing import BrokenSealError, Sealer
from services.identity.email.one_time_secrets import Verifications
from services.identity.store.database import Database, Transaction

PURPOSE = "auth-state"
LIFETIME = timedelta(minutes=10)
STATE_LENGTH = 32
VERIFIER_LENGTH = 128
ALPHABET = string.ascii_letters + string.digits + "-_"


@dataclass(frozen=True, slots=True)
class Link:
    """Who wants the account linked, by which session, and the address that it must have."""

    user_id: str
    session_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Begun:
    """What is kept of a transaction until its callback. The verifier and the nonce are its secrets."""

    provider: str
    callback_url: str
    error_url: str = ""
    new_user_url: str = ""
    request_sign_up: bool = False
    link: Link | None = None
    verifier: str = field(default_factory=lambda: random_text(VERIFIER_LENGTH), repr=False)
    nonce: str = field(default_factory=lambda: random_text(STATE_LENGTH), repr=False)


def random_text(length: int) -> str:
    """Return so many characters of [a-zA-Z0-9-_], 6 bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class Transactions:
    """The transactions that are under way."""

    def __init__(self, database: Database, verifications: Verifications, sealer: Sealer) -> None:
        self._database = database
        self._verifications = verifications
        self._sealer = sealer

    async def begin(self, begun: Begun) -> str:
        """Keep a transaction for ten minutes; return the state that its callback is known by."""
        state = random_text(STATE_LENGTH)
        data = self._sealer.seal(json.dumps(asdict(begun)), _purpose(state))

        async def work(transaction: Transaction) -> None:
            await self._verifications.put(transaction, PURPOSE, begun.provider, state, LIFETIME, data=data)

        await self._database.transaction("oauth.begin", work)
        return state

    async def look(self, state: str) -> Begun | None:
        """Return a transaction that goes on; None if it is unknown, over or spent."""
        found = await self._verifications.find(PURPOSE, state)
        return self._opened(found.data, state) if found else None

    async def spend(self, state: str) -> Begun | None:
        """End a transaction and return it; None as above. Of many at once one has it."""

        async def work(transaction: Transaction) -> str | None:
            found = await self._verifications.take(transaction, PURPOSE, state)
            return found.data if found else None

        data = await self._database.transaction("oauth.spend", work)
        return self._opened(data, state) if data is not None else None

    def _opened(self, data: str, state: str) -> Begun | None:
        try:
            values = json.loads(self._sealer.open(data, _purpose(state)))
            link = values.pop("link")
            return Begun(**values, link=Link(**link) if link else None)
        except (BrokenSealError, ValueError, TypeError, KeyError):
            return None  # sealed under a key that is gone, or by a version that is


def _purpose(state: str) -> str:
    return f"oauth-state:{token_hash(state)}"
