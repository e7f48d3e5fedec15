"""A server as a scenario meets it: browsers with cookies, mail that arrives, and every exchange written down."""

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.differential.normal import Words
from tests.harness.waiting import eventually

BASE_URL = "http://localhost:3999"
PREFIX = "/api/auth"
HEADERS = {"host": "localhost:3999", "origin": BASE_URL, "user-agent": "differential"}
OF_THE_CONNECTION = {"date", "connection", "keep-alive", "content-length", "transfer-encoding", "server"}
"""Headers that say nothing of the protocol."""
COUNTED = {"retry-after": "«seconds»", "x-retry-after": "«seconds»", "x-request-id": "«request»"}
"""Headers that are another with every answer."""
MAIL_SECONDS = 5.0


@dataclass(frozen=True)
class Mail:
    """A mail that was sent, and the link in it."""

    to: str
    link: str


@dataclass
class Site:
    """A running server; `name` is the scenario's, and part of everybody's address so that scenarios never meet."""

    name: str
    http: httpx.Client
    mailbox: Callable[[], list[Mail]]
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    words: Words = field(default_factory=Words)
    read: list[Mail] = field(default_factory=list)

    def browser(self) -> "Browser":
        return Browser(self)

    @property
    def address(self) -> str:
        """Where the scenario's people are, so that no two scenarios share a limit."""
        return f"203.0.113.{zlib.crc32(self.name.encode()) % 250 + 1}"

    def email(self, name: str) -> str:
        return f"{name}@{self.name}.example.com"

    def mail(self, to: str) -> str:
        """Return the link of the newest mail to somebody that was not read before, once it is there."""

        def unread() -> list[Mail]:
            return [mail for mail in self.mailbox() if mail.to == to and mail not in self.read]

        eventually(lambda: bool(unread()), seconds=MAIL_SECONDS)
        mail = unread()[0]
        self.read.append(mail)
        self.exchanges.append({"request": f"mail to {to}", "link": self.words.text(mail.link)})
        return mail.link


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: httpx.Headers
    body: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@dataclass
class Browser:
    """Somebody with a cookie jar."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str | None) -> Answer:
        """Send JSON; a text is sent as it is, and nothing as no body at all."""
        content = body if isinstance(body, str | None) else json.dumps(body, ensure_ascii=False)
        given: dict[str, str | None] = {} if content is None else {"content_type": "application/json"}
        return self.ask("POST", path, content, **(given | headers))

    def follow(self, link: str, **headers: str | None) -> Answer:
        """Open the link of a mail."""
        assert link.startswith(BASE_URL + PREFIX), link
        return self.get(link.removeprefix(BASE_URL + PREFIX), **headers)

    def ask(self, method: str, path: str, content: str | None = None, **headers: str | None) -> Answer:
        """Have an exchange and write it down. A header's name has `_` for `-`; None leaves a usual one out."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None
        usual = {**HEADERS, "x-forwarded-for": self.site.address, "cookie": jar}
        sent = {name: value for name, value in (usual | named).items() if value is not None}
        self.site.http.cookies.clear()  # the jar is ours
        answer = self.site.http.request(
            method, PREFIX + path, headers=sent, content=None if content is None else content.encode()
        )
        for cookie in answer.headers.get_list("set-cookie"):
            self._keep(cookie)
        self._write_down(method, path, content, named, answer)
        return Answer(answer.status_code, answer.headers, _json(answer))

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if re.search(r"max-age=0(;|$)", cookie, re.IGNORECASE):
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def _write_down(
        self, method: str, path: str, content: str | None, named: dict[str, str | None], answer: httpx.Response
    ) -> None:
        words = self.site.words
        headers = {
            name: COUNTED.get(name) or words.text(value)
            for name, value in sorted(answer.headers.items())
            if name not in OF_THE_CONNECTION | {"set-cookie"}
        }
        self.site.exchanges.append(
            {
                "request": words.text(f"{method} {path}"),
                "asked": words.of({"body": content, "headers": named}),
                "status": answer.status_code,
                "headers": headers,
                "cookies": words.cookies(answer.headers.get_list("set-cookie")),
                "body": words.of(_in_order(_json(answer))),
            }
        )


def _json(answer: httpx.Response) -> Any:
    """Return the body: JSON if it is, otherwise as text."""
    try:
        return answer.json()
    except ValueError:
        return answer.text


def _in_order(body: Any) -> Any:
    """Return a list of rows by age: the original's comes as its database likes it."""
    if isinstance(body, list) and all(isinstance(row, dict) and "createdAt" in row for row in body):
        return sorted(body, key=lambda row: str(row["createdAt"]))
    return body
