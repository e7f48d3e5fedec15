"""Finds in the code which declared failures a function can raise: the API description needs no lists of them."""

import dis
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

T = TypeVar("T")

Function = Callable[..., Any]


def raised_by(function: Function | type, kind: type[T], *, but: Collection[Function] = ()) -> Iterator[T]:
    """Yield the module-level constants of a type that a function uses, itself or in functions of the gateway it calls.

    Of a class, all its methods are read.

    A constant can be a mapping whose values are of the type. Functions in `but` are not followed. Methods are not
    followed either: what a method raises must be added by its caller.
    """
    seen: set[Function] = set(but)
    waiting: list[Function] = list(vars(function).values()) if isinstance(function, type) else [function]
    while waiting:
        found = inspect.unwrap(waiting.pop())
        if found in seen or not isinstance(found, FunctionType) or not found.__module__.startswith("gateway."):
            continue
        seen.add(found)
        for value in _globals_of(found.__code__, found.__globals__):
            if isinstance(value, kind):
                yield value
            elif isinstance(value, Mapping):
                yield from (each for each in value.values() if isinstance(each, kind))
            elif isinstance(value, FunctionType):
                waiting.append(value)


def _globals_of(code: CodeType, names: Mapping[str, Any]) -> Iterator[object]:
    """Yield the global values that code loads, also in the functions inside it, and attributes of global modules."""
    module: ModuleType | None = None
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            value = names.get(step.argval)
            module = value if isinstance(value, ModuleType) else None
            yield value
        elif module is not None and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            yield getattr(module, step.argval, None)
            module = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant, names)
