"""Answers with what is random, signed or of the moment put into words, so that two servers' can be compared.

A random value becomes `«32 1»`: its length, and its number by first appearance in the scenario. A date becomes its
distance from now, a signed value says whether the signature is good, a token's and a cookie's payload is laid open.
The parameters of an authorization request are sorted: their order means nothing.
"""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

SECRET = "0123456789abcdef0123456789abcdef-SeCrEt"

JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
COMPACT = re.compile(r"(?<=session_data=)eyJ[\w-]{80,}(?![\w.-])")
CHUNK = re.compile(r"([\w.-]*session_data\.\d+)=([^;]+)")
SIGNED = re.compile(r"(?<![\w-])([\w-]{32}|true)\.([A-Za-z0-9%+/]{43,120}?(?:=|%3D))")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RANDOM = re.compile(r"(?<![\w%-])(?:[\w-]{128}|[\w-]{43}|[\w-]{32}|[\w-]{24})(?![\w-])")
WORDS = re.compile(r"[A-Z_]+|[a-z_-]+")
"""An error code or a phrase, which may be as long as a token is."""
AUTHORIZATION = re.compile(r"(https://[^?\s]+/[^?\s]*)\?(response_type=code&[^\s\"]+)")
STEP_SECONDS = 150
"""A scenario takes less than half of this, and every lifetime is a multiple of it."""
DAY_SECONDS = 86_400
FAR_SECONDS = 400 * DAY_SECONDS
FIRST_MILLISECOND = 1_600_000_000_000


@dataclass
class Words:
    """The random values of one scenario, numbered as they appear."""

    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, value: Any) -> Any:
        """Return JSON with its text and its moments in words."""
        if isinstance(value, dict):
            return {name: self.of(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.of(member) for member in value]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and value > FIRST_MILLISECOND:
            return f"«milliseconds {_distance(value / 1000)}»"
        return value

    def text(self, text: str) -> str:
        """Return a header, an address or a text with everything random in it put into words."""
        text = COMPACT.sub(lambda match: self._compact(match[0]), text)
        text = JWT.sub(lambda match: self._jwt(match[0]), text)
        text = SIGNED.sub(lambda match: self._signed(match[1], match[2]), text)
        text = DATE.sub(lambda match: f"«date {_distance(datetime.fromisoformat(match[0]).timestamp())}»", text)
        text = AUTHORIZATION.sub(lambda match: f"{match[1]}?{'&'.join(sorted(match[2].split('&')))}", text)
        return RANDOM.sub(lambda match: self._random(match[0]), text)

    def cookies(self, given: list[str]) -> list[str]:
        """Return Set-Cookie headers in words; of one in chunks, the first shows the whole and each its length."""
        whole = "".join(match[2] for cookie in given if (match := CHUNK.match(cookie)))
        shown = []
        for cookie in given:
            if match := CHUNK.match(cookie):
                length = f"«{len(match[2])} characters»"
                payload = self.text(f"session_data={whole}") if match[1].endswith(".0") else ""
                shown.append(f"{match[1]}={length}{payload}{cookie[match.end() :]}")
            else:
                shown.append(self.text(cookie))
        return shown

    def _random(self, value: str) -> str:
        if WORDS.fullmatch(value):
            return value
        number = self.numbers.setdefault(value, len(self.numbers) + 1)
        return f"«{len(value)} {number}»"

    def _signed(self, value: str, signature: str) -> str:
        digest = hmac.digest(SECRET.encode(), value.encode(), hashlib.sha256)
        good = base64.b64encode(digest).decode() == unquote(signature)
        spelled = "encoded" if "%" in signature else "plain"
        return f"{value}.«{'well' if good else 'badly'} signed, {spelled}»"

    def _jwt(self, token: str) -> str:
        head, payload, signature = token.split(".")
        digest = hmac.digest(SECRET.encode(), f"{head}.{payload}".encode(), hashlib.sha256)
        claims = json.loads(_bytes(payload))
        if "exp" in claims and "iat" in claims:
            claims["exp"] -= claims["iat"]
            claims["iat"] = f"«seconds {_distance(claims['iat'])}»"
        good = _bytes(signature) == digest
        return f"«{'well' if good else 'badly'} signed jwt {_bytes(head).decode()} {_json(self.of(claims))}»"

    def _compact(self, cookie: str) -> str:
        """Return the cookie cache's payload. Its signature is over the payload as JavaScript spells it."""
        held = json.loads(_bytes(cookie))
        signed = json.dumps(
            {**held["session"], "expiresAt": held["expiresAt"]}, separators=(",", ":"), ensure_ascii=False
        )
        good = _bytes(held.pop("signature")) == hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256)
        return f"«{'well' if good else 'badly'} signed {_json(self.of(held))}»"


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _distance(moment: float) -> int | str:
    """Return how many seconds from now that is, to the nearest step; a moment of no lifetime here is far away."""
    seconds = moment - datetime.now(UTC).timestamp()
    if not -DAY_SECONDS < seconds < FAR_SECONDS:
        return "far away"
    return round(seconds / STEP_SECONDS) * STEP_SECONDS
