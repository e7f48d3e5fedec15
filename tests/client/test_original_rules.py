"""The original's own functions, asked what the tables say of them that unit tests hold us to."""

import json
import random
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.auth.protocol.csrf import is_safe_callback
from gateway.http.origins import Origins
from gateway.settings import GatewaySettings
from tests.client.conftest import HERE, SECONDS
from tests.differential.spellings import NAME, spelled
from tests.differential.trusted import DIFFERENT, VERDICTS
from tests.unit.gateway.sessions.test_cookies import SECRET, SIGNED, TOKEN
from tests.unit.runtime.test_json_text import OURS, REFUSED, TAKEN

PATTERNS: tuple[str, ...] = ("https://app.io", "https://*.good.io", "*.good.io", "myapp:", "myapp://callback/auth")
PATTERNS += ("exp://192.168.*.*:*/**", "exp://*/--/**")
STARTS = ("", "/", "https://app.io", "https://x.good.io", "myapp:", "myapp://callback/auth", "exp://192.168.1.5:8081")
PIECES: tuple[str, ...] = (
    *STARTS,
    "/",
    "//",
    "\\",
    ".",
    "..",
    "%2e",
    "%2E",
    "%2f",
    "%5c",
    "%",
    "%25",
    "%00",
    "%09",
    " ",
    "\t",
    "é",
)
PIECES += (
    "a",
    "evil",
    "callback",
    "auth",
    "app.io",
    "192.168.1.5",
    ":8081",
    "--",
    "@",
    ":",
    "?",
    "#",
    ";",
    "&",
    "[",
    "]",
)
CALLBACKS = 20_000


def asked(node: str, questions: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return the original's answers."""
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    command = [node, str(HERE / "original/rules.mjs")]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=SECONDS, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_original_reads_every_spelling_of_a_cookie(node: str) -> None:
    table = spelled(SIGNED)
    answers = asked(
        node, [{"ask": "cookie", "header": header, "name": NAME, "secret": SECRET} for header in table.values()]
    )
    assert dict(zip(table, answers, strict=True)) == dict.fromkeys(table, TOKEN)


def test_the_original_admits_and_refuses_the_same_urls(node: str) -> None:
    pairs = [(pattern, url) for pattern, verdicts in VERDICTS.items() for url in verdicts.admitted + verdicts.refused]
    answers = asked(node, [{"ask": "origin", "pattern": pattern, "url": url} for pattern, url in pairs])
    ours = [url in VERDICTS[pattern].admitted for pattern, url in pairs]
    different = {pair for pair, theirs, mine in zip(pairs, answers, ours, strict=True) if theirs != mine}
    assert different == set(DIFFERENT)


def test_no_callback_that_the_original_refuses_is_taken_here(node: str) -> None:
    """C2: strings put together by chance of all that parsers stumble over."""
    chance = random.Random(10)
    trusting = {
        pattern: Origins(GatewaySettings(secret="s" * 32, base_url="https://own.io", trusted_origins=(pattern,)))
        for pattern in PATTERNS
    }
    pairs = [
        (chance.choice(PATTERNS), chance.choice(STARTS) + "".join(chance.choices(PIECES, k=chance.randrange(7))))
        for _ in range(CALLBACKS)
    ]
    answers = asked(node, [{"ask": "origin", "pattern": pattern, "url": url} for pattern, url in pairs])
    taken = [pair for pair in pairs if is_safe_callback(pair[1], trusting[pair[0]])]
    refused = {pair for pair, theirs in zip(pairs, answers, strict=True) if not theirs}
    assert [pair for pair in taken if pair in refused] == []
    assert len(taken) > CALLBACKS / 20


def test_the_original_s_runtime_takes_and_refuses_the_same_json(node: str) -> None:
    texts = [*(text for text, _ in TAKEN), *OURS, *REFUSED]
    answers = asked(node, [{"ask": "json", "hex": text.hex()} for text in texts])
    assert dict(zip(texts, answers, strict=True)) == {text: text not in REFUSED for text in texts}
