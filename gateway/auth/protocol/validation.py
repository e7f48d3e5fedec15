"""Checks a body against its struct. The messages are those of zod 4, because clients of the protocol show them."""

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, TypeVar

import msgspec
from msgspec import UNSET, Meta
from msgspec.inspect import (
    BoolType,
    DictType,
    Field,
    FloatType,
    ListType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from gateway.auth.protocol.refusals import VALIDATION_ERROR, refuse

T = TypeVar("T", bound=msgspec.Struct)

EMAIL_PATTERN = r"^(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
"""zod's pattern of an email address."""
_EMAIL = re.compile(EMAIL_PATTERN)
Email = Annotated[str, Meta(pattern=EMAIL_PATTERN)]
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""Matches text of one line without control characters."""
_PLAIN = re.compile(NO_CONTROLS)
ONE_OF_SEVERAL = {"is": "one of several"}
"""Marks a member that is a union in zod's schema. For such a member zod says only that the input is invalid."""


def is_email(text: str) -> bool:
    """Whether zod accepts a text as an email address."""
    return len(text) <= 320 and "\n" not in text and _EMAIL.match(text) is not None


def validated(kind: type[T], body: object, *, where: str = "body") -> T:
    """Return the body, or the query, as its struct. Unknown members are dropped. Raises Refusal with every issue."""
    if kind is Anything or (body is UNSET and issubclass(kind, Omissible)):
        return kind()
    if issues := list(_issues(kind, body, where)):
        raise refuse(VALIDATION_ERROR, "; ".join(issues))
    return msgspec.convert(body, kind)


class Anything(msgspec.Struct):
    """A body that is not read."""


class Query(msgspec.Struct):
    """The query of a link, instead of a body. Its `callbackURL` must be trusted."""


class Extensible(msgspec.Struct):
    """A body that can have additional members. For another type, the original reports two issues."""


class Record(msgspec.Struct):
    """A body with any members. Those of the struct are checked."""


class Omissible(msgspec.Struct):
    """A body that can be absent."""


def _issues(kind: type[msgspec.Struct], body: object, where: str) -> Iterator[str]:
    if not isinstance(body, dict):
        if not issubclass(kind, Record):
            yield f"[{where}] Invalid input: expected object, received {type_of(body)}"
        if issubclass(kind, Record | Extensible):
            yield f"[{where}] Invalid input: expected record, received {type_of(body)}"
        return
    for field in _fields(kind):
        value = body.get(field.encode_name, UNSET)
        if value is UNSET and not field.required:
            continue
        yield from _problems(field.type, value, f"{where}.{field.encode_name}")


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    struct = type_info(kind)
    assert isinstance(struct, StructType)
    return struct.fields


def _problems(wanted: Type, value: object, path: str) -> Iterator[str]:
    """Yield what is wrong with a member and the values in it."""
    if isinstance(wanted, UnionType):
        if value is None and any(isinstance(option, NoneType) for option in wanted.types):
            return
        wanted = next(option for option in wanted.types if not isinstance(option, NoneType))
    if isinstance(wanted, StructType) and isinstance(value, dict):
        yield from _issues(wanted.cls, value, path)
    elif isinstance(wanted, ListType) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(wanted.item_type, item, f"{path}.{index}")
    elif isinstance(wanted, DictType) and isinstance(value, dict):
        for name, item in value.items():
            yield from _problems(wanted.value_type, item, f"{path}.{name}")
    elif (problem := _problem(wanted, value)) is not None:
        yield f"[{path}] {problem}"


def _problem(wanted: Type, value: object) -> str | None:
    if isinstance(wanted, Metadata):
        return None if _problem(wanted.type, value) is None else "Invalid input"
    for kind, name in ((StructType, "object"), (ListType, "array"), (DictType, "record")):
        if isinstance(wanted, kind):
            return f"Invalid input: expected {name}, received {type_of(value)}"
    if isinstance(wanted, FloatType) and type_of(value) != "number":
        return f"Invalid input: expected number, received {type_of(value)}"
    if isinstance(wanted, StrType):
        return _string_problem(wanted, value)
    if isinstance(wanted, BoolType) and not isinstance(value, bool):
        return f"Invalid input: expected boolean, received {type_of(value)}"
    return None


def _string_problem(wanted: StrType, value: object) -> str | None:
    if not isinstance(value, str):
        return f"Invalid input: expected string, received {type_of(value)}"
    if wanted.pattern == EMAIL_PATTERN and not is_email(value):
        return "Invalid email address"
    if wanted.min_length is not None and len(value) < wanted.min_length:
        return f"Too small: expected string to have >={wanted.min_length} characters"
    if wanted.max_length is not None and len(value) > wanted.max_length:
        return f"Too big: expected string to have <={wanted.max_length} characters"
    if wanted.pattern == NO_CONTROLS and not _PLAIN.fullmatch(value):
        return "Invalid string: must not hold control characters"
    return None


def type_of(value: object) -> str:
    """Return zod's name for the type of a JSON value. An infinite number is named by its value."""
    if value is UNSET:
        return "undefined"
    if value is None:
        return "null"
    if value in (math.inf, -math.inf):
        return "Infinity" if value == math.inf else "-Infinity"
    names = ((bool, "boolean"), (str, "string"), (int | float, "number"), (list, "array"))
    return next((name for kind, name in names if isinstance(value, kind)), "object")
