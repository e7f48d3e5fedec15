"""JSON from outside, read as JavaScript's `JSON.parse` reads what `fetch` has received."""

import json
import math
import re
from typing import Any, NoReturn

MOST_DIGITS = 310
"""Integers of more digits are beyond every double, as `JSON.parse` has them; Python would refuse some of them."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)")
_LONE = 6
"""The length of the escape of one surrogate, whose pair is missing."""


def parse(text: str | bytes) -> Any:
    """Return the value of a JSON text, as UTF-8 if it is bytes. Raises ValueError for what is no JSON or too deep.

    A byte order mark is passed over. A number too large for a double is infinite: what uses it has to refuse it. A
    surrogate without its pair becomes U+FFFD, since no store and no message could hold it.
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
    return int(digits) if len(digits) <= MOST_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
