"""Recorded exchanges with the original, made ready to be had again with us."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from gateway.cookies import CookieSigner

FOLDER = Path(__file__).parents[2] / "fixtures/better_auth"
SECRET = "0123456789abcdef0123456789abcdef-SeCrEt"
BASE_URL = "http://localhost:3999"
SIGNER = CookieSigner(SECRET)

SIGNED = re.compile(r"\b([A-Za-z0-9]{32})\.([A-Za-z0-9%+/]+(?:=|%3D))")
RANDOM = re.compile(r"[A-Za-z0-9]{32}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
COMPARED = ("content-type", "location", "pragma")
LIST_SESSIONS = "/api/auth/list-sessions"


def deviations() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((FOLDER / "deviations.toml").read_text())


LATER = tuple(f"/api/auth{path}" for group in deviations()["later"] for path in group["paths"])


@dataclass
class Exchange:
    """What was asked and what the original answered."""

    number: int
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def path(self) -> str:
        return str(self.request["path"])

    @property
    def comes_later(self) -> bool:
        return re.split("[?]", self.path)[0].startswith(LATER)

    def __str__(self) -> str:
        return f"{self.number} {self.request['method']} {self.path}"


def recording(name: str) -> Iterator[Exchange]:
    """Yield a recording's exchanges, with what routes of later issues would have changed."""
    for number, exchange in enumerate(json.loads((FOLDER / f"{name}.json").read_text())):
        request, response = exchange["req"], exchange["res"]
        for consequence in deviations()["consequence"]:
            part = request if consequence["in"] == "request" else response
            part["body"] = (part.get("body") or "").replace(consequence["recorded"], consequence["ours"])
        yield Exchange(number, request, response)


@dataclass
class Replay:
    """Has the exchanges again, in order, and remembers which of our random values stands for which recorded one."""

    client: httpx.Client
    has_bearer: bool
    ours: dict[str, str] = field(default_factory=dict)

    def differences(self, exchange: Exchange) -> list[str]:
        """Have one exchange; return in what our answer differs."""
        answer = self._ask(exchange)
        if exchange.comes_later:
            return [] if answer.status_code == 404 else ["served, so it belongs off the list of later routes"]
        recorded = exchange.response
        found: list[str] = []
        if answer.status_code != recorded["status"]:
            found.append(f"status {answer.status_code}, not {recorded['status']}: {answer.text}")
        found += self._headers(recorded["headers"], answer)
        found += self._body(exchange, answer)
        return found

    def _ask(self, exchange: Exchange) -> httpx.Response:
        headers = {name: str(value) for name, value in exchange.request["headers"].items() if name != "content-length"}
        for name in ("cookie", "authorization"):
            if name in headers:
                headers[name] = self._translated(headers[name])
        body = exchange.request.get("body") or None
        self.client.cookies.clear()  # what was sent is in the recording
        return self.client.request(exchange.request["method"], exchange.path, headers=headers, content=body)

    def _translated(self, text: str) -> str:
        """Return a header with our tokens in the place of the recorded ones, signed anew."""

        def resigned(match: re.Match[str]) -> str:
            signed = SIGNER.sign(self.ours.get(match[1], match[1]))
            return quote(signed, safe="") if "%" in match[2] else signed

        text = SIGNED.sub(resigned, text)
        return RANDOM.sub(lambda match: self.ours.get(match[0], match[0]), text)

    def _headers(self, recorded: dict[str, Any], answer: httpx.Response) -> Iterator[str]:
        for name in COMPARED:
            if answer.headers.get(name) != recorded.get(name):
                yield f"{name}: {answer.headers.get(name)!r}, not {recorded.get(name)!r}"
        if answer.headers.get("cache-control") != "no-store":
            yield "cache-control is not no-store"
        cookies = recorded.get("set-cookie", [])
        given = answer.headers.get_list("set-cookie")
        if [self._with_our_token(one, two) for one, two in zip(cookies, given, strict=False)] != given or len(
            cookies
        ) != len(given):
            yield f"set-cookie: {given}, not {cookies}"
        token = recorded.get("set-auth-token")
        if self.has_bearer and self._with_our_token(token or "", answer.headers.get("set-auth-token", "")) != (
            answer.headers.get("set-auth-token", "")
        ):
            yield f"set-auth-token: {answer.headers.get('set-auth-token')!r}, not {token!r}"

    def _with_our_token(self, recorded: str, given: str) -> str:
        """Return a recorded cookie as it must be with our token; a new token is the one that we were given."""
        if (ours := SIGNED.search(given)) and (theirs := SIGNED.search(recorded)):
            self.ours.setdefault(theirs[1], ours[1])
        return self._translated(recorded)

    def _body(self, exchange: Exchange, answer: httpx.Response) -> Iterator[str]:
        recorded = exchange.response["body"]
        if not recorded or not answer.content:
            if recorded != answer.text:
                yield f"body {answer.text!r}, not {recorded!r}"
            return
        expected = json.loads(recorded)
        if exchange.path == LIST_SESSIONS and isinstance(expected, list):
            for session in expected:  # session-handles
                if session["token"] not in exchange.request["headers"]["cookie"]:
                    session["token"] = session["id"]
        yield from self._unlike(expected, answer.json(), "body")

    def _unlike(self, recorded: Any, given: Any, where: str) -> Iterator[str]:
        """Compare JSON; random values must stand for one another, dates must only be spelled alike."""
        if isinstance(recorded, dict) and isinstance(given, dict):
            if recorded.keys() != given.keys():
                yield f"{where} has {sorted(given)}, not {sorted(recorded)}"
            for name in recorded.keys() & given.keys():
                yield from self._unlike(recorded[name], given[name], f"{where}.{name}")
        elif isinstance(recorded, list) and isinstance(given, list):
            if len(recorded) != len(given):
                yield f"{where} has {len(given)} items, not {len(recorded)}"
            for index, pair in enumerate(zip(recorded, given, strict=False)):
                yield from self._unlike(*pair, f"{where}[{index}]")
        elif not self._stands_for(recorded, given, where):
            yield f"{where} is {given!r}, not {recorded!r}"

    def _stands_for(self, recorded: Any, given: Any, where: str) -> bool:
        if where.endswith(".ipAddress"):
            return bool(given == "127.0.0.1")  # client-address
        if not isinstance(recorded, str) or not isinstance(given, str):
            return bool(recorded == given)
        if DATE.fullmatch(recorded):
            return DATE.fullmatch(given) is not None
        if RANDOM.fullmatch(recorded):
            return RANDOM.fullmatch(given) is not None and self.ours.setdefault(recorded, given) == given
        return recorded == given
