"""The four processes as a site runs them, its people, and the mail that they find in the mailbox of development."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from runtime.ids import new_id
from tests.conftest import Engines
from tests.harness.clients import name_another_client
from tests.harness.people import FAST_HASHING, PASSWORD, new_email
from tests.harness.waiting import eventually
from tests.harness.whole import Stores, Whole, whole

ORIGIN = "http://localhost:3999"
LINK = re.compile(r"http\S+")


@dataclass
class Person:
    """Somebody with an address, at a browser of their own origin."""

    client: httpx.Client
    email: str = field(default_factory=new_email)
    seen: int = 0

    def post(self, path: str, **body: object) -> httpx.Response:
        return self.client.post(f"/api/auth{path}", json=body)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path if path.startswith("http") else f"/api/auth{path}")

    def sign_up(self, **body: object) -> httpx.Response:
        answer = self.post("/sign-up/email", name="Ann", email=self.email, password=PASSWORD, **body)
        assert answer.status_code == 200, answer.text
        return answer

    def sign_in(self, password: str = PASSWORD, **body: object) -> httpx.Response:
        return self.post("/sign-in/email", email=self.email, password=password, **body)

    def session(self) -> dict[str, Any] | None:
        """Return session and user as get-session has them, None without one."""
        found: dict[str, Any] | None = self.get("/get-session").json()
        return found

    def mails(self, email: str = "") -> list[dict[str, Any]]:
        """Return the mails to an address, oldest first."""
        messages = self.client.get("/dev/mailbox").json()["messages"]
        return [each for each in reversed(messages) if each["to"] == (email or self.email)]

    def next_link(self, email: str = "") -> str:
        """Wait for a mail that was not looked at yet; return its only link, as a path of ours."""
        eventually(lambda: len(self.mails(email)) > self.seen, seconds=10)
        mail = self.mails(email)[self.seen]
        self.seen += 1
        (link,) = LINK.findall(mail["text"])
        assert link.startswith(f"{ORIGIN}/api/auth/")
        return str(link).removeprefix(f"{ORIGIN}/api/auth")

    def verify(self) -> None:
        """Have the address verified."""
        assert self.post("/send-verification-email", email=self.email).status_code == 200
        assert self.get(self.next_link()).status_code == 302


def token_of(link: str) -> str:
    """Return the token in a link's query, else in its path."""
    parts = urlsplit(link)
    return parse_qs(parts.query).get("token", [parts.path.rpartition("/")[2]])[0]


Site = Callable[..., Whole]


@pytest.fixture(scope="package")
def sites(engine: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a site with these settings, once for each."""
    with ExitStack() as stack:
        running: dict[frozenset[tuple[str, str]], Whole] = {}

        def site(**extra: str) -> Whole:
            key = frozenset(extra.items())
            if key not in running:
                stores = Stores(
                    f"sqlite:///{tmp_path_factory.mktemp('emails')}/identity.db",
                    f"{engine.get('secantusdb').url}/emails_{new_id().lower()}",
                    engine.get("valkey").url,
                )
                given = {"TRIVET_BASE_URL": ORIGIN, **FAST_HASHING, **extra}
                running[key] = stack.enter_context(whole(stores, **given))
            return running[key]

        yield site


@contextmanager
def person_at(site: Whole) -> Iterator[Person]:
    hooks = {"request": [name_another_client]}
    with httpx.Client(base_url=site.url, headers={"origin": ORIGIN}, timeout=15, event_hooks=hooks) as client:
        yield Person(client)


@pytest.fixture
def ann(sites: Site) -> Iterator[Person]:
    """Somebody new at a site with the usual settings."""
    with person_at(sites()) as person:
        yield person


@pytest.fixture
def bob(sites: Site) -> Iterator[Person]:
    """Somebody else there."""
    with person_at(sites()) as person:
        yield person
