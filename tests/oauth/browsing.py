"""A browser on its way through a provider, as far as a test wants it to go."""

import itertools
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from tests.api.auth.conftest import ORIGIN, browser
from tests.harness.processes import Process

numbers = itertools.count()
HOPS = 12


@dataclass
class Visitor:
    """Somebody at our site: a browser with a jar for us, and another for the provider."""

    here: httpx.Client
    there: httpx.Client

    def begin(self, provider: str, path: str = "/sign-in/social", **extra: Any) -> str:
        """Begin at us; return the provider's page."""
        answer = self.here.post(path, json={"provider": provider, "callbackURL": "/in", **extra})
        assert answer.status_code == 200, answer.text
        assert answer.headers["location"] == answer.json()["url"]
        return str(answer.json()["url"])

    def consent(self, url: str) -> str:
        """Go through the provider's pages; return the address of ours that it sends the browser to."""
        for _ in range(HOPS):
            answer = self.there.get(url)
            assert answer.status_code in (302, 303), f"{answer.status_code} {answer.text[:500]}"
            url = str(httpx.URL(url).join(answer.headers["location"]))
            if url.startswith(ORIGIN):
                return url
        raise AssertionError("the provider sends the browser in a circle")

    def come_back(self, url: str) -> httpx.Response:
        """Follow the provider's redirect to us."""
        parts = urlsplit(url)
        return self.here.get(f"{parts.path.removeprefix('/api/auth')}?{parts.query}")

    def enter(self, provider: str, **extra: Any) -> httpx.Response:
        """Go all the way; return our answer to the callback."""
        return self.come_back(self.consent(self.begin(provider, **extra)))

    def link(self, provider: str, **extra: Any) -> httpx.Response:
        """Link an account, all the way."""
        return self.come_back(self.consent(self.begin(provider, "/link-social", **extra)))

    def user(self) -> dict[str, Any] | None:
        """Return who is signed in here."""
        body = self.here.get("/get-session").json()
        return body and dict(body["user"])

    def accounts(self) -> list[dict[str, Any]]:
        return list(self.here.get("/list-accounts").json())

    def account(self, provider: str) -> dict[str, Any]:
        (found,) = [each for each in self.accounts() if each["providerId"] == provider]
        return found


def visitor(gateway: Process) -> Visitor:
    return Visitor(browser(gateway), httpx.Client(timeout=10))


def changed(url: str, **parameters: str | None) -> str:
    """Return a URL with other query parameters; None removes one."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **parameters}
    return urlunsplit(
        parts._replace(query=urlencode({name: value for name, value in query.items() if value is not None}))
    )


def parameter(url: str, name: str) -> str:
    """Return a query parameter, empty if it is not there."""
    return dict(parse_qsl(urlsplit(url).query)).get(name, "")


def number() -> int:
    return next(numbers)
