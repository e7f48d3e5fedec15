"""npm's certified oidc-provider, twice, and identity, cache and gateway that trust both."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.api.auth.conftest import ORIGIN, Site, running_site
from tests.conftest import Engines
from tests.harness.child_processes import start
from tests.harness.processes import Process
from tests.oauth.browsing import Visitor, visitor
from tests.oauth.conftest import named
from tests.oauth.provider import CLIENT_ID, CLIENT_SECRET, Person

HERE = Path(__file__).parent
INSTALL_SECONDS = 100
REDIRECTS = [f"{ORIGIN}/api/auth/callback/{name}" for name in ("acme", "evil")]


@dataclass
class Certified:
    """A running oidc-provider. Its browsers' sessions end when somebody else is to be signed in."""

    issuer: str
    visitors: list[Visitor]
    _person: Person | None = None

    def become(self, person: Person) -> None:
        self._person = person
        self._tell(denies=False)

    def deny(self) -> None:
        self._tell(denies=True)

    def _tell(self, *, denies: bool) -> None:
        assert self._person is not None
        told = {"sub": self._person.sub, "claims": self._person.claims, "denies": denies}
        httpx.post(f"{self.issuer}/control", json=told).raise_for_status()
        for each in self.visitors:
            each.there.cookies.clear()


@pytest.fixture(scope="session")
def oidc_node() -> str:
    """Node with the packages of this folder's lock, installed if they are not."""
    found = shutil.which("node")
    assert found is not None, "node is not on PATH: make test-client"
    if not (HERE / "node_modules/oidc-provider").is_dir():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(command, cwd=HERE, check=True, timeout=INSTALL_SECONDS)
    return found


@contextmanager
def certified(node: str) -> Iterator[str]:
    """Run an oidc-provider; yield its issuer."""
    command = [node, str(HERE / "server.mjs"), CLIENT_ID, CLIENT_SECRET, *REDIRECTS]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with start(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            issuer = running.stdout.readline().strip()
            assert issuer.startswith("http://127.0.0.1:"), "the provider did not start"
            yield issuer
        finally:
            running.kill()


@pytest.fixture(scope="session")
def issuers(oidc_node: str) -> Iterator[tuple[str, str]]:
    with ExitStack() as stack:
        yield stack.enter_context(certified(oidc_node)), stack.enter_context(certified(oidc_node))


@pytest.fixture(scope="session")
def oauth_site(engine: Engines, issuers: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"TRIVET_BASE_URL": ORIGIN, **named("ACME", issuers[0]), **named("EVIL", issuers[1])}
    with running_site(tmp_path_factory.mktemp("certified"), engine.get("valkey").url, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def oauth_gateway(oauth_site: Site) -> Iterator[Process]:
    with oauth_site.gateway(TRIVET_BASE_URL=ORIGIN) as running:
        yield running


@pytest.fixture
def visitors(oauth_gateway: Process) -> Iterator[list[Visitor]]:
    both = [visitor(oauth_gateway), visitor(oauth_gateway)]
    with ExitStack() as stack:
        for each in both:
            stack.enter_context(each.here)
            stack.enter_context(each.there)
        yield both


@pytest.fixture
def openids(issuers: tuple[str, str], visitors: list[Visitor]) -> list[Certified]:
    return [Certified(issuer, visitors) for issuer in issuers]
