"""Authorization state: the sealed, one-time data of a sign-in between its start and the provider's callback."""

import json
import secrets
import string
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from runtime.ids import token_hash
from runtime.sealing import BrokenSealError, Sealer
from services.identity.email.one_time_secrets import OneTimeSecrets
from services.identity.store.database import Database, Transaction

PURPOSE = "auth-state"
LIFETIME = timedelta(minutes=10)
STATE_LENGTH = 32
VERIFIER_LENGTH = 128
ALPHABET = string.ascii_letters + string.digits + "-_"


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """The user and session that asked to link an account, and the email that the account must have."""

    user_id: str
    session_id: str
    email: str


@dataclass(frozen=True, slots=True)
class AuthorizationState:
    """The data of an authorization request until its callback. The verifier and the nonce are secrets."""

    provider: str
    callback_url: str
    error_url: str = ""
    new_user_url: str = ""
    request_sign_up: bool = False
    link: LinkRequest | None = None
    verifier: str = field(default_factory=lambda: random_text(VERIFIER_LENGTH), repr=False)
    nonce: str = field(default_factory=lambda: random_text(STATE_LENGTH), repr=False)


def random_text(length: int) -> str:
    """Return `length` random characters of [a-zA-Z0-9-_], 6 bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class AuthorizationStates:
    """The authorization states in a database."""

    def __init__(self, database: Database, verifications: OneTimeSecrets, sealer: Sealer) -> None:
        self._database = database
        self._verifications = verifications
        self._sealer = sealer

    async def create(self, authorization: AuthorizationState) -> str:
        """Store a state for 10 minutes; return its `state` parameter, which the callback carries."""
        state = random_text(STATE_LENGTH)
        data = self._sealer.seal(json.dumps(asdict(authorization)), _purpose(state))

        async def work(transaction: Transaction) -> None:
            await self._verifications.put(transaction, PURPOSE, authorization.provider, state, LIFETIME, data=data)

        await self._database.transaction("oauth.begin", work)
        return state

    async def find(self, state: str) -> AuthorizationState | None:
        """Return a state without using it up; None if it is unknown, expired or used."""
        found = await self._verifications.find(PURPOSE, state)
        return self._unseal(found.data, state) if found else None

    async def take(self, state: str) -> AuthorizationState | None:
        """Use a state up and return it; None as above. Of several concurrent calls one gets it."""

        async def work(transaction: Transaction) -> str | None:
            found = await self._verifications.take(transaction, PURPOSE, state)
            return found.data if found else None

        data = await self._database.transaction("oauth.spend", work)
        return self._unseal(data, state) if data is not None else None

    def _unseal(self, data: str, state: str) -> AuthorizationState | None:
        try:
            values = json.loads(self._sealer.open(data, _purpose(state)))
            link = values.pop("link")
            return AuthorizationState(**values, link=LinkRequest(**link) if link else None)
        except (BrokenSealError, ValueError, TypeError, KeyError):
            return None  # sealed under a removed key, or in the form of another version


def _purpose(state: str) -> str:
    return f"oauth-state:{token_hash(state)}"
