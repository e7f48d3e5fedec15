"""Finds the rule of a path."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.api.http_rules import Rule

Methods = dict[str, Rule]


class AmbiguousRoute(Exception):
    """Two RPCs have the same verb and path."""


@dataclass
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    variable: "_Node | None" = None
    leaves: dict[str, Methods] = field(default_factory=dict)  # by `:verb` suffix


class RouteTree:
    """A tree of path segments. A literal wins over a variable. A colon in a value is sent as %3A."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._root = _Node()
        for rule in rules:
            self._add(rule)

    def _add(self, rule: Rule) -> None:
        node = self._root
        for segment in rule.segments:
            if isinstance(segment, str):
                node = node.literals.setdefault(segment, _Node())
            else:
                node.variable = node.variable or _Node()
                node = node.variable
        methods = node.leaves.setdefault(rule.suffix, {})
        if rule.verb in methods:
            taken = methods[rule.verb].rpc.full_name
            raise AmbiguousRoute(f"{rule.rpc.full_name}: {rule.verb} {rule.template} is {taken}'s already")
        methods[rule.verb] = rule

    def match(self, raw_path: str) -> tuple[Methods, list[str]] | None:
        """Return the rules of a path by verb, and its variables' values in order; None if it is not served.

        `raw_path` is still percent-encoded, so that %2F does not part segments.
        """
        path, colon, suffix = raw_path[1:].partition(":")
        if "/" in suffix or (colon and not suffix):
            return None
        return _walk(self._root, path.split("/"), suffix, [])


def _walk(node: _Node, segments: list[str], suffix: str, values: list[str]) -> tuple[Methods, list[str]] | None:
    if not segments:
        methods = node.leaves.get(suffix)
        return (methods, values) if methods else None
    first, *rest = segments
    if first in node.literals and (found := _walk(node.literals[first], rest, suffix, values)):
        return found
    if node.variable is None or not first:
        return None
    try:
        value = unquote(first, errors="strict")
    except UnicodeDecodeError:
        return None
    return _walk(node.variable, rest, suffix, [*values, value])
