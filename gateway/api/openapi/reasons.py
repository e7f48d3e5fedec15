"""The reasons that an RPC fails with, read from its comment in the .proto.

A comment names them in parentheses behind the code: `Fails with NOT_FOUND (USER_NOT_FOUND).` It can also refer to
another RPC: `Fails as GetAccessToken does` and `those of SignUp` stand for all reasons of that RPC. What the comment of
a service names holds for each of its RPCs.
"""

import re
from collections.abc import Iterator, Mapping

from google.protobuf.descriptor import MethodDescriptor

from gateway.http.errors import HTTP_STATUS

Failures = dict[str, set[str]]
"""Reasons by the name of their gRPC code. The set is empty if the comment names the code alone."""

_CODE = re.compile(rf"\b({'|'.join(HTTP_STATUS)})\b(?: \(([^()]*)\))?")
_REASON = re.compile(r"\b(?!TRIVET_)[A-Z][A-Z0-9_]{4,}\b")
_AS_ANOTHER = re.compile(r"\b(?:as|those of) (?:([A-Z]\w+)\.)?([A-Z]\w*[a-z]\w*)\b")


def failures(rpc: MethodDescriptor, comments: Mapping[str, str]) -> Failures:
    """Return what an RPC fails with by its comment and its service's."""
    return _failures(rpc, comments, set())


def _failures(rpc: MethodDescriptor, comments: Mapping[str, str], seen: set[str]) -> Failures:
    seen.add(rpc.full_name)
    own = comments.get(rpc.full_name, "")
    found: Failures = {}
    for code, reasons in _named_in(own):
        found.setdefault(code, set()).update(reasons)
    for code, reasons in _named_in(comments.get(rpc.containing_service.full_name, "")):
        if reasons:
            found.setdefault(code, set()).update(reasons)
    for other in _others(rpc, comments):
        if other.full_name not in seen:
            for code, reasons in _failures(other, comments, seen).items():
                found.setdefault(code, set()).update(reasons)
    return found


def _named_in(comment: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each code that a comment names, with the reasons in the parentheses behind it."""
    for code, inside in _CODE.findall(comment):
        yield code, set(_REASON.findall(inside)) - HTTP_STATUS.keys()


def _others(rpc: MethodDescriptor, comments: Mapping[str, str]) -> Iterator[MethodDescriptor]:
    """Yield the RPCs of the same package that an RPC's comment refers to."""
    comment = comments.get(rpc.full_name, "")
    pool, package = rpc.containing_service.file.pool, rpc.containing_service.file.package
    for service, name in _AS_ANOTHER.findall(comment):
        full_name = re.compile(rf"{re.escape(package)}\.{service or '[A-Za-z]+Service'}\.{name}")
        yield from (pool.FindMethodByName(each) for each in comments if full_name.fullmatch(each))
