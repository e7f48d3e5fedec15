"""Two hundred clients that check sessions while others open and end them, and all that they were answered."""

import asyncio
import os
import random
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from urllib.parse import quote

import grpc

from gateway.sessions.cookies import CookieSigner
from tests.harness.people import PASSWORD, new_email
from tests.harness.processes import SECRET
from tests.harness.waiting import until
from tests.history.checking.checker import Kind, Operation, Outcome
from tests.history.wire import NO_ANSWER, Wire, request
from trivet.client import Channel, acting_for
from trivet.identity.v1.auth_service_pb2 import SignInRequest, SignUpRequest
from trivet.identity.v1.auth_service_pb2_grpc import AuthServiceStub
from trivet.identity.v1.session_service_pb2 import RevokeSessionRequest
from trivet.identity.v1.session_service_pb2_grpc import SessionServiceStub

CHECKERS = 200
CHECKS_PER_SECOND = 400
ENDERS = 3
ENDS_PER_SECOND = 16
PEOPLE = 4
LIVE_SESSIONS = 12
WATCHED_ENDED = 60
"""How many of the sessions ended last are still checked, the newest most: whoever believes one of them is at fault."""
SHARE_OF_ENDED = 0.5
SHARE_OF_SIGN_OUTS = 0.2
STEP_SECONDS = 30.0

GET_SESSION = "/api/auth/get-session"
SIGN_OUT = "/api/auth/sign-out"
_cookies = CookieSigner(SECRET)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that somebody opened, and the cookie that a browser would hold."""

    id: str
    user_id: str
    token: str

    @property
    def cookie(self) -> str:
        return f"better-auth.session_token={quote(_cookies.sign(self.token), safe='')}"


def seed_of_run() -> int:
    """Return TRIVET_TEST_SEED, or a seed that no run had yet."""
    given = os.environ.get("TRIVET_TEST_SEED")
    return int(given) if given else random.SystemRandom().randrange(2**32)


class Desk:
    """Opens and ends sessions at identity, as a program that may call for people, and records what came of it."""

    def __init__(self, identity: Channel) -> None:
        self.history: list[Operation] = []
        self.emails: list[str] = []
        self._auth = AuthServiceStub(identity)
        self._sessions = SessionServiceStub(identity)

    async def sign_up(self) -> None:
        """Make a person. Raises AioRpcError."""
        email = new_email()
        await self._auth.SignUp(SignUpRequest(name="Ada", email=email, password=PASSWORD))
        self.emails.append(email)

    async def open(self, client: str, email: str) -> Opened:
        """Sign somebody in. Raises AioRpcError."""
        invoked = monotonic()
        answer = await self._auth.SignIn(SignInRequest(email=email, password=PASSWORD))
        opened = Opened(answer.session.id, answer.user.id, answer.token)
        self.note(client, Kind.SIGN_IN, opened, invoked, Outcome.ACCEPTED)
        return opened

    async def revoke(self, client: str, session: Opened) -> Outcome:
        """End a session by RPC, which says whether every cache has confirmed."""
        invoked, detail = monotonic(), ""
        try:
            with acting_for(session.user_id, "user", session.id):
                answer = await self._sessions.RevokeSession(RevokeSessionRequest(session_id=session.id))
            # Nothing to end is what a call finds that was tried again: it was ended, and that call says no more.
            outcome = Outcome.CONFIRMED if answer.revoked and answer.confirmed else Outcome.UNCONFIRMED
        except grpc.aio.AioRpcError as error:
            outcome, detail = Outcome.UNKNOWN, error.code().name
        return self.note(client, Kind.REVOKE, session, invoked, outcome, detail)

    async def sign_out(self, client: str, session: Opened, wire: Wire) -> Outcome:
        """End a session over HTTP, whose answer does not say whether caches have confirmed."""
        invoked = monotonic()
        try:
            status, _ = await wire.ask(request("POST", SIGN_OUT, wire.address, session.cookie))
            outcome = Outcome.UNCONFIRMED if status == 200 else Outcome.UNKNOWN
        except NO_ANSWER:
            outcome = Outcome.UNKNOWN
        return self.note(client, Kind.REVOKE, session, invoked, outcome)

    async def check(self, client: str, session: Opened, wire: Wire) -> Outcome:
        """Ask a gateway whose session a cookie opens."""
        invoked, detail = monotonic(), ""
        try:
            status, body = await wire.ask(request("GET", GET_SESSION, wire.address, session.cookie))
            outcome = _judged(status, body)
            detail = "" if outcome is not Outcome.FAILED else f"{status} {body.decode(errors='replace')}"
        except NO_ANSWER as error:
            outcome, detail = Outcome.FAILED, repr(error)
        return self.note(client, Kind.CHECK, session, invoked, outcome, detail)

    def note(
        self, client: str, kind: Kind, session: Opened, invoked: float, outcome: Outcome, detail: str = ""
    ) -> Outcome:
        self.history.append(Operation(client, kind, session.id, invoked, monotonic(), outcome, detail))
        return outcome


def _judged(status: int, body: bytes) -> Outcome:
    if status == 401 or (status == 200 and body == b"null"):
        return Outcome.REFUSED
    return Outcome.ACCEPTED if status == 200 else Outcome.FAILED


class Load:
    """Clients at work on two gateways: half of the checks are of sessions that were ended last."""

    def __init__(self, desk: Desk, gateways: Sequence[str], seed: int) -> None:
        self.desk = desk
        self._gateways = gateways
        self._seed = seed
        self._live: list[Opened] = []
        self._ended: deque[Opened] = deque(maxlen=WATCHED_ENDED)
        self._ends = 0
        self._is_over = False

    async def ends(self, count: int) -> None:
        """Return once so many more sessions have been ended. Raises TimeoutError."""
        wanted = self._ends + count
        await until(lambda: self._ends >= wanted, STEP_SECONDS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the clients work; at the end, wait until each has its last answer."""
        for _ in range(PEOPLE):
            await self.desk.sign_up()
        for _ in range(LIVE_SESSIONS):
            self._live.append(await self.desk.open("open", self._chance("open").choice(self.desk.emails)))
        clients = [asyncio.create_task(self._checks(number)) for number in range(CHECKERS)]
        clients += [asyncio.create_task(self._opens_and_ends(number)) for number in range(ENDERS)]
        try:
            yield
        finally:
            self._is_over = True
            await asyncio.gather(*clients)

    def _chance(self, client: str) -> random.Random:
        return random.Random(f"{self._seed}/{client}")

    async def _checks(self, number: int) -> None:
        client = f"check-{number}"
        chance, wire = self._chance(client), Wire(self._gateways[number % len(self._gateways)])
        while not self._is_over:
            await asyncio.sleep(chance.uniform(0, 2 * CHECKERS / CHECKS_PER_SECOND))
            await self.desk.check(client, self._any(chance), wire)
        await wire.close()

    def _any(self, chance: random.Random) -> Opened:
        if self._ended and chance.random() < SHARE_OF_ENDED:
            return self._ended[-1 - int(len(self._ended) * chance.random() ** 3)]
        return chance.choice(self._live)

    async def _opens_and_ends(self, number: int) -> None:
        client = f"revoke-{number}"
        chance, wires = self._chance(client), [Wire(address) for address in self._gateways]
        while not self._is_over:
            await asyncio.sleep(chance.uniform(0, 2 * ENDERS / ENDS_PER_SECOND))
            try:
                self._live.append(await self.desk.open(client, chance.choice(self.desk.emails)))
            except grpc.aio.AioRpcError:
                continue  # identity is busy: the next turn
            session = self._live.pop(chance.randrange(LIVE_SESSIONS))
            self._ended.append(session)
            if chance.random() < SHARE_OF_SIGN_OUTS:
                await self.desk.sign_out(client, session, chance.choice(wires))
            else:
                await self.desk.revoke(client, session)
            for wire in wires:  # at once: nobody may be later with the news than whoever ended it
                await self.desk.check(client, session, wire)
            self._ends += 1
        for wire in wires:
            await wire.close()
