"""The original's own functions, asked what the tables say of them that unit tests hold us to."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from tests.client.conftest import HERE, SECONDS
from tests.differential.spellings import NAME, spelled
from tests.differential.trusted import DIFFERENT, VERDICTS
from tests.unit.auth.test_cookies import SECRET, SIGNED, TOKEN


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
