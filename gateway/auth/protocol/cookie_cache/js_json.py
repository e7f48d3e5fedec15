"""JSON as JavaScript's JSON.stringify writes it: front ends parse it, write it again and check a signature over it."""

import json
from decimal import Decimal


def stringify(value: object) -> str:
    """Return a JSON value as JavaScript writes it. Numbers are doubles.

    Raises ValueError for a number that is no finite double.
    """
    if isinstance(value, dict):
        members = (f"{_text(str(name))}:{stringify(member)}" for name, member in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(stringify, value))}]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number(value)
    return _text(str(value))


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(number: int | float) -> str:
    """Return a number by ECMA-262's Number::toString."""
    try:
        double = float(number)
    except OverflowError:
        raise ValueError("the number is too large for a double") from None
    if double == 0:
        return "0"  # also the negative one
    sign, digits, exponent = Decimal(repr(double)).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("JSON has no infinity and no NaN")
    while digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    text, point = "".join(map(str, digits)), len(digits) + exponent
    minus = "-" if sign else ""
    if len(text) <= point <= 21:
        return minus + text.ljust(point, "0")
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
