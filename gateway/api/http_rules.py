"""Reads the `google.api.http` rule of each RPC once. A rule that the transcoder does not support fails the start.

Supported are get, put, post, patch and delete; paths of literals and of variables that take one whole segment
(`{user_id}`, `{user.id}`), with an optional `:verb` at the end; and a body of `*`, one field or none.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor

VERBS = {"get": "GET", "put": "PUT", "post": "POST", "patch": "PATCH", "delete": "DELETE"}
LITERAL = re.compile(r"[A-Za-z0-9._-]+")
VARIABLE = re.compile(r"\{([a-z0-9_]+(?:\.[a-z0-9_]+)*)\}")
WHOLE_BODY = "*"


class UnsupportedRule(Exception):
    """An annotation that the transcoder does not support."""


@dataclass(frozen=True)
class Variable:
    """A segment of a path. Its value is set in the request field at `path`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """The HTTP rule of one RPC."""

    rpc: MethodDescriptor
    verb: str
    template: str  # /v1/notifications/{notification_id}:markRead
    segments: tuple[str | Variable, ...]
    suffix: str  # markRead; empty without one
    body: str  # a field's name, `*`, or empty

    @property
    def variables(self) -> tuple[Variable, ...]:
        return tuple(segment for segment in self.segments if isinstance(segment, Variable))


def rules(services: Iterable[ServiceDescriptor]) -> Iterator[Rule]:
    """Yield a rule for each RPC that HTTP can call. Raises UnsupportedRule, which names the RPC."""
    for service in services:
        for rpc in service.methods:
            if rpc.GetOptions().HasExtension(annotations_pb2.http):
                yield _rule(rpc)


def _rule(rpc: MethodDescriptor) -> Rule:
    annotation = rpc.GetOptions().Extensions[annotations_pb2.http]
    pattern = annotation.WhichOneof("pattern")
    if rpc.client_streaming or rpc.server_streaming:
        raise UnsupportedRule(f"{rpc.full_name}: only unary RPCs are served over HTTP")
    if annotation.additional_bindings or annotation.response_body or pattern not in VERBS:
        raise UnsupportedRule(f"{rpc.full_name}: additional_bindings, response_body and custom verbs are not served")
    template: str = getattr(annotation, pattern)
    segments, suffix = _parse(template, rpc)
    rule = Rule(rpc, VERBS[pattern], template, segments, suffix, annotation.body)
    for variable in rule.variables:
        _check_variable(variable, rpc)
    _check_body(rule)
    return rule


def _parse(template: str, rpc: MethodDescriptor) -> tuple[tuple[str | Variable, ...], str]:
    path, _, suffix = template.partition(":")
    if not path.startswith("/") or (suffix and not LITERAL.fullmatch(suffix)):
        raise UnsupportedRule(f"{rpc.full_name}: {template} is not a path of plain segments")
    segments: list[str | Variable] = []
    for segment in path[1:].split("/"):
        if variable := VARIABLE.fullmatch(segment):
            segments.append(Variable(tuple(variable[1].split("."))))
        elif LITERAL.fullmatch(segment):
            segments.append(segment)
        else:
            raise UnsupportedRule(f"{rpc.full_name}: the segment {segment!r} of {template} is not served")
    return tuple(segments), suffix


def _check_variable(variable: Variable, rpc: MethodDescriptor) -> None:
    field = find_field(rpc.input_type, variable.path)
    if field is None or field.is_repeated or field.type != FieldDescriptor.TYPE_STRING:
        name = ".".join(variable.path)
        raise UnsupportedRule(f"{rpc.full_name}: the path's {name} is no string field of its request")


def _check_body(rule: Rule) -> None:
    if rule.body in ("", WHOLE_BODY):
        return
    field = rule.rpc.input_type.fields_by_name.get(rule.body)
    if field is None or field.is_repeated or field.message_type is None:
        raise UnsupportedRule(f"{rule.rpc.full_name}: the body {rule.body!r} is no message field of its request")


def find_field(descriptor: Descriptor, path: tuple[str, ...]) -> FieldDescriptor | None:
    """Return the field at a dotted path of proto names; None if there is none."""
    field = None
    current: Descriptor | None = descriptor
    for name in path:
        field = current.fields_by_name.get(name) if current is not None else None
        if field is None:
            return None
        current = None if field.is_repeated else field.message_type
    return field
