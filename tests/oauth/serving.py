"""The test provider's addresses: which of its answers is where."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers for the provider that its server has set."""

    provider: Any  # a Provider, whose module imports this one

    def do_GET(self) -> None:
        parts, provider = urlsplit(self.path), self.provider
        authorization = self.headers.get("authorization", "")
        match parts.path:
            case "/auth" | "/oauth/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self._answer(302, b"", location=provider.authorize(query))
            case "/.well-known/openid-configuration":
                self._json(200, provider.metadata())
            case "/jwks":
                self._json(200, provider.jwks())
            case "/userinfo" if provider.switches.userinfo is not None:
                body, packed = provider.switches.userinfo, provider.switches.userinfo_gzip
                self._answer(200, body, **({"content-encoding": "gzip"} if packed else {}))
            case "/userinfo":
                self._json(*provider.userinfo(authorization))
            case "/api/v4/user":
                self._json(*provider.gitlab_user(authorization))
            case _:
                self._json(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        switches = self.provider.switches
        if switches.token_hangs:
            self.provider.released.wait(30)
        if switches.token_answer is not None:
            self._answer(*switches.token_answer)
        else:
            self._json(*self.provider.token(form, self.headers.get("authorization", "")))

    def _json(self, status: int, value: Any) -> None:
        # Let go at once when the test ends.
        self.provider.released.wait(self.provider.switches.seconds)
        self._answer(status, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        try:
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # whoever asked has left

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
