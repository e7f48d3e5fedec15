"""Accounts and sessions in any order of events, while Redis hangs and comes back, against a dictionary."""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.auth.protocol.limits import ACCOUNT
from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness import models
from tests.harness.clients import name_another_client
from tests.harness.people import FAST_HASHING
from tests.harness.stores import engines
from tests.harness.stores.engines import Engine
from tests.harness.whole import Stores, Whole, whole

PASSWORDS = ("correct horse battery", "staple and some more")
people = st.sampled_from("abc")
passwords = st.sampled_from(PASSWORDS)
numbers = st.integers(0, 1000)


@dataclass
class Session:
    """One that was opened: by which token, whose it is, and whether it should still open anything."""

    token: str
    person: str
    live: bool = True


class Machine(RuleBasedStateMachine):
    """Three people at one gateway. Answers are those of the dictionary, whether or not Redis answers."""

    url: str
    redis: Engine
    forgets_sign_outs = False

    def __init__(self) -> None:
        super().__init__()
        hooks = {"request": [name_another_client]}
        self.http = httpx.Client(base_url=f"{self.url}/api/auth", timeout=10, event_hooks=hooks)
        self.run = new_id().lower()
        self.accounts: dict[str, str] = {}
        self.tries = Counter[str]()
        self.sessions: list[Session] = []
        self.hangs = False

    def teardown(self) -> None:
        self.let_redis_go_on()
        try:
            for session in self.sessions:
                self.is_as_it_should_be(session)
        finally:
            self.http.close()

    def ask(self, method: str, path: str, token: str = "", **body: Any) -> httpx.Response:
        """Make a request by bearer token; its answer is never one of ours that failed."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http.cookies.clear()
        answer = self.http.request(method, path, headers=headers, json=body or None)
        assert answer.status_code < 500, (path, answer.text)
        return answer

    def email(self, person: str) -> str:
        return f"{self.run}-{person}@example.com"

    def may_try(self, person: str) -> bool:
        """Count a try of somebody's password, unless it would be one more than an account's limit allows."""
        self.tries[person] += 1
        return self.tries[person] <= ACCOUNT.requests

    def some(self, number: int) -> Session:
        return self.sessions[number % len(self.sessions)]

    def is_as_it_should_be(self, session: Session) -> None:
        found = self.ask("GET", "/get-session", session.token).json()
        expected = self.email(session.person) if session.live else None
        assert (found and found["user"]["email"]) == expected, "a session contradicts the model"

    def end(self, sessions: list[Session]) -> None:
        for session in sessions:
            session.live = False

    def of(self, person: str, *, but: Session) -> list[Session]:
        return [each for each in self.sessions if each.person == person and each is not but]

    @initialize()
    def begin(self) -> None:
        self.sign_up("a", PASSWORDS[0])

    @rule(person=people, password=passwords)
    def sign_up(self, person: str, password: str) -> None:
        answer = self.ask("POST", "/sign-up/email", name="Ann", email=self.email(person), password=password)
        assert answer.status_code == (422 if person in self.accounts else 200)
        if answer.status_code == 200:
            self.accounts[person] = password
            self.sessions.append(Session(answer.json()["token"], person))

    @rule(person=people, password=passwords)
    def sign_in(self, person: str, password: str) -> None:
        if not self.may_try(person):
            return
        answer = self.ask("POST", "/sign-in/email", email=self.email(person), password=password)
        assert answer.status_code == (200 if self.accounts.get(person) == password else 401)
        if answer.status_code == 200:
            self.sessions.append(Session(answer.json()["token"], person))

    @precondition(lambda self: self.sessions)
    @rule(number=numbers)
    def check(self, number: int) -> None:
        self.is_as_it_should_be(self.some(number))

    @precondition(lambda self: self.sessions)
    @rule(number=numbers)
    def sign_out(self, number: int) -> None:
        session = self.some(number)
        self.is_as_it_should_be(session)  # which brings it into the cache
        self.ask("POST", "/sign-out", session.token)
        if not self.forgets_sign_outs:
            self.end([session])
        self.is_as_it_should_be(session)

    @precondition(lambda self: self.sessions)
    @rule(number=numbers)
    def revoke_others(self, number: int) -> None:
        session = self.some(number)
        answer = self.ask("POST", "/revoke-other-sessions", session.token)
        assert answer.status_code == (200 if session.live else 401)
        if session.live:
            self.end(self.of(session.person, but=session))

    @precondition(lambda self: self.sessions)
    @rule(number=numbers, current=passwords, new=passwords, alone=st.booleans())
    def change_password(self, number: int, current: str, new: str, alone: bool) -> None:
        session = self.some(number)
        if session.live and not self.may_try(session.person):
            return
        body = {"currentPassword": current, "newPassword": new, "revokeOtherSessions": alone}
        answer = self.ask("POST", "/change-password", session.token, **body)
        right = session.live and self.accounts[session.person] == current
        assert answer.status_code == (200 if right else 400 if session.live else 401)
        if right:
            self.accounts[session.person] = new
            if alone:
                self.end([session, *self.of(session.person, but=session)])
                self.sessions.append(Session(answer.json()["token"], session.person))

    @precondition(lambda self: not self.hangs)
    @rule()
    def let_redis_hang(self) -> None:
        """R14."""
        assert self.redis.process is not None
        self.redis.process.send_signal(signal.SIGSTOP)
        self.hangs = True

    @precondition(lambda self: self.hangs)
    @rule()
    def let_redis_go_on(self) -> None:
        assert self.redis.process is not None
        self.redis.process.send_signal(signal.SIGCONT)
        self.hangs = False


@pytest.fixture(scope="module")
def redis() -> Iterator[Engine]:
    with engines.valkey() as own:
        yield own


@pytest.fixture(scope="module")
def running(engine: Engines, redis: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    sql = f"sqlite:///{tmp_path_factory.mktemp('model')}/trivet.db"
    with whole(Stores(sql, engine.get("secantusdb").url, redis.url), **FAST_HASHING) as processes:
        yield processes


def explore(running: Whole, redis: Engine, **attributes: bool) -> None:
    models.explore(Machine, examples=12, steps=20, url=running.url, redis=redis, **attributes)


def test_no_answer_contradicts_the_model(running: Whole, redis: Engine) -> None:
    """R34."""
    explore(running, redis)


def test_a_model_that_forgets_sign_outs_is_contradicted(running: Whole, redis: Engine) -> None:
    """R34: so that agreeing says something."""
    with pytest.raises(AssertionError, match="contradicts the model"):
        explore(running, redis, forgets_sign_outs=True)
