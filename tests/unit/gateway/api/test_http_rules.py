"""Which annotations are served, and that every other is refused at start-up by its RPC's name."""

import itertools

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from gateway.api.http_rules import UnsupportedRule, Variable, rules
from gateway.api.route_tree import AmbiguousRoute, RouteTree
from gateway.api.services import SERVICES

_numbers = itertools.count()


def service(*methods: dict[str, object], streaming: bool = False) -> ServiceDescriptor:
    """Make a service whose RPCs carry the annotations given as fields of HttpRule."""
    package = f"test{next(_numbers)}.v1"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    inner = file.message_type.add(name="Thing")
    inner.field.add(name="id", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    request = file.message_type.add(name="Request")
    request.field.add(name="id", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    request.field.add(name="count", number=2, type=FieldDescriptorProto.TYPE_INT32, label=1)
    request.field.add(name="tags", number=3, type=FieldDescriptorProto.TYPE_STRING, label=3)
    request.field.add(
        name="thing", number=4, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=f".{package}.Thing", label=1
    )
    added = file.service.add(name="Service")
    for number, fields in enumerate(methods):
        kind = f".{package}.Request"
        method = MethodDescriptorProto(
            name=f"Rpc{number}", input_type=kind, output_type=kind, server_streaming=streaming
        )
        rule = method.options.Extensions[annotations_pb2.http]
        for name, value in fields.items():
            if name == "additional_bindings":
                rule.additional_bindings.add(get=str(value))
            elif name == "custom":
                rule.custom.kind, rule.custom.path = "HEAD", str(value)
            else:
                setattr(rule, name, value)
        added.method.append(method)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName(f"{package}.Service")


def test_literals_variables_verbs_and_bodies_are_read() -> None:
    (rule,) = rules([service({"post": "/v1/things/{thing.id}/parts/{id}:move", "body": "*"})])
    assert rule.verb == "POST"
    assert rule.segments == ("v1", "things", Variable(("thing", "id")), "parts", Variable(("id",)))
    assert (rule.suffix, rule.body) == ("move", "*")


@pytest.mark.parametrize(
    "annotation",
    [
        {"get": "/v1/things/*"},
        {"get": "/v1/things/**"},
        {"get": "/v1/{id=things/*}"},
        {"get": "/v1//things"},
        {"get": "/v1/things/"},
        {"get": "v1/things"},
        {"get": "/v1/things/a{id}"},
        {"get": "/v1/things:"} | {"body": "nothing"},
        {"get": "/v1/{unknown}"},
        {"get": "/v1/{thing.unknown}"},
        {"get": "/v1/{count}"},
        {"get": "/v1/{tags}"},
        {"get": "/v1/{thing}"},
        {"post": "/v1/things", "body": "unknown"},
        {"post": "/v1/things", "body": "id"},
        {"get": "/v1/things", "additional_bindings": "/v1/others"},
        {"get": "/v1/things", "response_body": "thing"},
        {"custom": "/v1/things"},
    ],
    ids=str,
)
def test_what_is_not_served_is_refused_by_name(annotation: dict[str, object]) -> None:
    with pytest.raises(UnsupportedRule, match=r"Service\.Rpc0"):
        list(rules([service(annotation)]))


def test_a_stream_is_refused() -> None:
    with pytest.raises(UnsupportedRule, match="unary"):
        list(rules([service({"get": "/v1/things"}, streaming=True)]))


def test_two_rpcs_for_one_verb_and_path_are_refused() -> None:
    twice = rules([service({"get": "/v1/things/{id}"}, {"get": "/v1/things/{thing.id}"})])
    with pytest.raises(AmbiguousRoute, match="Rpc0"):
        RouteTree(twice)


def test_a_literal_is_preferred_and_a_dead_end_is_left_again() -> None:
    matcher = RouteTree(rules([service({"get": "/a/{id}/c"}, {"get": "/a/b/d"}, {"get": "/a/{id}"})]))
    found = {path: matcher.match(path) for path in ("/a/b/c", "/a/b/d", "/a/b", "/a/b/x", "/a", "/a/", "/a/b/")}
    served = {path: match and (match[0]["GET"].template, match[1]) for path, match in found.items()}
    assert served == {
        "/a/b/c": ("/a/{id}/c", ["b"]),
        "/a/b/d": ("/a/b/d", []),
        "/a/b": ("/a/{id}", ["b"]),
        "/a/b/x": None,
        "/a": None,
        "/a/": None,
        "/a/b/": None,
    }


def test_every_annotated_rpc_of_the_services_is_served() -> None:
    matcher = RouteTree(rule for descriptors in SERVICES.values() for rule in rules(descriptors))
    assert matcher.match("/v1/notifications/abc:markRead") is not None
