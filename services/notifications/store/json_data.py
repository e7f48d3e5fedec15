"""Free-form JSON data. Notifications check it, and log entries cut it to fit."""

import json
import math
import re
from typing import Any

from runtime.errors import InvalidArgument

MAX_BYTES = 16 * 1024
MAX_DEPTH = 8
CUT_MARK = "…[cut]"
ESCAPED = re.compile("%(24|25|2E|00)")


def check(data: dict[str, Any], field: str) -> None:
    """Raise InvalidArgument for data that cannot be stored unchanged.

    The causes: a key that MongoDB would interpret, more than 8 levels, more than 16 KiB, a number that is not finite.
    """
    _check_value(data, field, MAX_DEPTH)
    if _size(data) > MAX_BYTES:
        raise InvalidArgument("DATA_TOO_LARGE", f"{field} can have at most {MAX_BYTES} bytes as JSON", field=field)


def _check_value(value: Any, path: str, depth: int) -> None:
    if isinstance(value, dict | list) and depth == 0:
        raise InvalidArgument("DATA_TOO_DEEP", f"{path} is nested deeper than {MAX_DEPTH} levels", field=path)
    if isinstance(value, dict):
        for key, member in value.items():
            if key.startswith("$") or "." in key or "\0" in key:
                raise InvalidArgument(
                    "INVALID_DATA_KEY",
                    f"{path} has a key that begins with $ or contains a dot or NUL: rename it",
                    field=path,
                )
            _check_value(member, f"{path}.{key}", depth - 1)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_value(member, f"{path}[{index}]", depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidArgument("INVALID_DATA_NUMBER", f"{path} is not a finite number", field=path)


def storable(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data with escaped keys. A mark replaces values that are too deep, and members beyond 16 KiB."""
    kept: dict[str, Any] = {}
    left = MAX_BYTES - len(CUT_MARK.encode()) - 16
    for key, member in _storable_value(data, MAX_DEPTH).items():
        left -= _size({key: member})
        if left < 0:
            kept[CUT_MARK] = True
            break
        kept[key] = member
    return kept


def _storable_value(value: Any, depth: int) -> Any:
    if isinstance(value, dict | list) and depth == 0:
        return CUT_MARK
    if isinstance(value, dict):
        return {_storable_key(key): _storable_value(member, depth - 1) for key, member in value.items()}
    if isinstance(value, list):
        return [_storable_value(member, depth - 1) for member in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _storable_key(key: str) -> str:
    """Return a key in which the characters that MongoDB would interpret are escaped. `restore_keys` reverts it."""
    key = key.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")
    return f"%24{key[1:]}" if key.startswith("$") else key


def restore_keys(data: Any) -> Any:
    """Return stored data with its original keys."""
    if isinstance(data, dict):
        return {
            ESCAPED.sub(lambda found: chr(int(found[1], 16)), key): restore_keys(member) for key, member in data.items()
        }
    return [restore_keys(member) for member in data] if isinstance(data, list) else data


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text. A text that was cut ends with a mark."""
    return text if len(text) <= limit else text[: limit - len(CUT_MARK)] + CUT_MARK


def _size(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())
