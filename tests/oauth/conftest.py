"""Identity, cache and gateway as processes, and two providers of the tests' own that they trust."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.api.auth.conftest import ORIGIN, Site, running_site
from tests.conftest import Engines
from tests.harness.processes import Process
from tests.oauth.browsing import Visitor, number, visitor
from tests.oauth.provider import CLIENT_ID, CLIENT_SECRET, Person, Provider, running_provider


def named(name: str, issuer: str) -> dict[str, str]:
    """Return the settings of a named issuer."""
    stem = f"TRIVET_OAUTH_OIDC_{name}"
    return {f"{stem}_ISSUER": issuer, f"{stem}_CLIENT_ID": CLIENT_ID, f"{stem}_CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture(scope="package")
def providers() -> Iterator[tuple[Provider, Provider]]:
    with running_provider() as acme, running_provider() as evil:
        yield acme, evil


@pytest.fixture(scope="package")
def site(
    engine: Engines, providers: tuple[Provider, Provider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    acme, evil = providers
    settings = {
        "TRIVET_BASE_URL": ORIGIN,
        "TRIVET_HASHING_MEMORY_KIB": "64",
        "TRIVET_HASHING_PASSES": "1",
        "TRIVET_OAUTH_GITLAB_ISSUER": acme.issuer,
        "TRIVET_OAUTH_GITLAB_CLIENT_ID": CLIENT_ID,
        "TRIVET_OAUTH_GITLAB_CLIENT_SECRET": CLIENT_SECRET,
        "TRIVET_OAUTH_SIGN_UP": "gitlab=explicit",
        **named("ACME", acme.issuer),
        **named("EVIL", evil.issuer),
    }
    folder = tmp_path_factory.mktemp("oauth")
    with running_site(folder, engine.get("valkey").url, **settings) as running:
        yield running


@pytest.fixture(scope="package")
def gateway(site: Site) -> Iterator[Process]:
    with site.gateway(TRIVET_BASE_URL=ORIGIN) as running:
        yield running


@pytest.fixture
def acme(providers: tuple[Provider, Provider]) -> Provider:
    """The provider `acme`, with somebody new signed in there and nothing wrong with it."""
    return _renewed(providers[0])


@pytest.fixture
def evil(providers: tuple[Provider, Provider]) -> Provider:
    """Another provider that is set up as well, as `evil`."""
    return _renewed(providers[1])


def _renewed(provider: Provider) -> Provider:
    provider.reset()
    provider.person = somebody()
    return provider


def somebody() -> Person:
    sub = str(1_000 + number())
    return Person(sub, f"oauth{sub}@example.com")


@pytest.fixture
def ann(gateway: Process) -> Iterator[Visitor]:
    with visiting_of(gateway) as visiting:
        yield visiting


@pytest.fixture
def ben(gateway: Process) -> Iterator[Visitor]:
    with visiting_of(gateway) as visiting:
        yield visiting


@contextmanager
def visiting_of(gateway: Process) -> Iterator[Visitor]:
    """A visitor whose browsers are closed at the end."""
    visiting = visitor(gateway)
    with visiting.here, visiting.there:
        yield visiting
