"""JSON as `JSON.parse` takes it: each text here was tried in Node 20, as `new Response(text).json()`."""

import json
import math
from typing import Any

import pytest

from runtime import json_text

LONE = "\ufffd"
TAKEN: list[tuple[bytes, Any]] = [
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    (rb'"\ud800"', LONE),
    (rb'"\uDFFF!"', f"{LONE}!"),
    (rb'"\ud83d\ude00"', "\U0001f600"),
    (rb'"\ud83d\ud83d\ude00"', f"{LONE}\U0001f600"),
    (rb'"\ude00\ud83d"', LONE * 2),
    (rb'"\\ud800 \\\ud800"', rf"\ud800 \{LONE}"),
    (rb'"\ud83dx\ude00"', f"{LONE}x{LONE}"),
    (rb'{"\ud800": 1}', {LONE: 1}),
    (b"[1e999, -1e999, 1e-999]", [math.inf, -math.inf, 0.0]),
    (b"9" * 5_000, math.inf),
    (b"-" + b"9" * 5_000, -math.inf),
    (b"9007199254740993", 9007199254740993),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b" \t\r\n1 ", 1),
    (b'{"__proto__": {}}', {"__proto__": {}}),
    (b'"\x7f\xc2\x85"', "\x7f\x85"),
]
REFUSED = [
    b"",
    b"{",
    b"NaN",
    b"[Infinity]",
    b"-Infinity",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"0x1",
    b'"\t"',
    b"'a'",
    b"[1,]",
    b"\xc2\xa01",
    b"1 2",
    rb'"\u12"',
    rb'"\ud8"',
    rb'"\x41"',
    "{}".encode("utf-16"),
]
OURS = [b'"\xff"', b'"\xed\xa0\x80"', b"[" * 100_000 + b"]" * 100_000]
"""What the original takes and we refuse: text that is not UTF-8, and depths that no request has."""


@pytest.mark.parametrize(("text", "value"), TAKEN, ids=lambda case: repr(case)[:40])
def test_what_json_parse_takes_is_taken(text: bytes, value: Any) -> None:
    assert json_text.parse(text) == value
    assert json_text.parse(text.decode()) == value


@pytest.mark.parametrize("text", REFUSED + OURS, ids=lambda text: repr(text)[:40])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several kinds
        json_text.parse(text)


@pytest.mark.parametrize("text", [text for text, _ in TAKEN], ids=lambda text: repr(text)[:40])
def test_what_is_read_can_be_written_as_utf_8(text: bytes) -> None:
    """Without the mend a surrogate alone ends in an error of the store's or of the message's."""
    assert json.dumps(json_text.parse(text), ensure_ascii=False).encode()
