"""Parses JSON from clients as `JSON.parse` of JavaScript does."""

import json
import math
import re
from typing import Any, NoReturn

MAX_DIGITS = 310
"""Integers with more digits are infinite as doubles, as in `JSON.parse`. Python refuses some of them."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")
_LONE = 6
"""The length of the escape of one surrogate without its pair."""


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text, as UTF-8 if it is bytes. Raises ValueError for invalid JSON or deep nesting.

    A byte order mark is ignored. A number too large for a double becomes infinite: callers must refuse it. A surrogate
    without its pair becomes U+FFFD, because stores and protobuf messages cannot represent it.
    """
    whole = (text.decode() if isinstance(text, bytes) else text).removeprefix("\ufeff")
    if _SURROGATE.search(whole):
        whole = _ESCAPE.sub(_paired, whole)
    try:
        return json.loads(whole, parse_int=_integer, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _paired(escape: re.Match[str]) -> str:
    return r"\ufffd" if len(escape[0]) == _LONE else escape[0]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
