"""Answers `/v1/...` by calling the RPC that `google.api.http` names for it.

A field that comes by path beats one by query, which beats one by body.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.api.cached_message import CachedMessage
from gateway.api.cached_rpcs import CACHED_RPCS
from gateway.api.http_rules import WHOLE_BODY, Rule, rules
from gateway.api.json_decoding import decode, invalid, merge, merge_message
from gateway.api.json_encoding import converter
from gateway.api.query_decoding import merge_query
from gateway.api.route_tree import RouteTree
from gateway.deps import Deps
from gateway.http.csrf import refuse_foreign_pages
from gateway.http.errors import NOT_SIGNED_IN, UNSUPPORTED_MEDIA_TYPE, ApiError
from gateway.http.etag import answer_to, is_cacheable
from gateway.http.request_context import header, request_context_of
from gateway.http.router import method_not_allowed, raw_path, route_not_found
from gateway.sessions.reader import SignedIn
from gateway.sessions.request_session import session_of
from runtime.rpc.caching.cached_rpcs import CachedRpc
from trivet.client import Channel, Metadata

MYSELF = "me"
USER_FIELDS = (("user_id",), ("user", "id"))
MAX_REQUEST_ID = 128

WhoCalls = Callable[[Request, Deps], Awaitable[SignedIn | None]]


@dataclass(frozen=True)
class Operation:
    """A rule and how to call its RPC."""

    rule: Rule
    request: type[Message]
    call: Callable[..., Any]
    takes_request_id: bool
    answer: type[Message]
    cached: CachedRpc | None
    is_cacheable: bool


class Transcoder:
    """An ASGI application that serves every annotated RPC of the services, in the name of the signed-in user."""

    def __init__(
        self,
        deps: Deps,
        services: Mapping[str, Iterable[ServiceDescriptor]],
        *,
        who_calls: WhoCalls = session_of,
    ) -> None:
        self._deps = deps
        self._who_calls = who_calls
        operations = [
            _operation(rule, deps.backends.channels[process])
            for process, descriptors in services.items()
            for rule in rules(descriptors)
        ]
        self._operations = {operation.rule.rpc.full_name: operation for operation in operations}
        self._routes = RouteTree(operation.rule for operation in operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        found = self._routes.match(raw_path(scope).decode("latin-1"))
        if found is None:
            raise route_not_found()
        methods, values = found
        context = request_context_of(scope)
        context.route = next(iter(methods.values())).template
        rule = methods.get("GET" if request.method == "HEAD" else request.method)
        if rule is None:
            raise method_not_allowed(request.method, {*methods, "HEAD"} if "GET" in methods else methods)
        context.route = rule.template
        refuse_foreign_pages(request, self._deps.origins)
        signed_in = await self._who_calls(request, self._deps)
        if signed_in is None:
            raise ApiError(NOT_SIGNED_IN, "sign in first: a session cookie or bearer token")
        context.user_id = signed_in.user.id
        operation = self._operations[rule.rpc.full_name]
        message = await _decode(operation, request, values, signed_in)
        body = (await self._answer(operation, message, signed_in)).json
        response = answer_to(scope, body) if operation.is_cacheable else Response(body, media_type="application/json")
        await response(scope, receive, send)

    async def _answer(self, operation: Operation, message: Message, signed_in: SignedIn) -> CachedMessage[Message]:
        async def ask(lease: Metadata) -> CachedMessage[Message]:
            with signed_in.acting():
                return CachedMessage(await operation.call(message, metadata=lease))

        cached = operation.cached
        if cached is None or not cached.may_be_shown(message, signed_in.user.id, is_admin=signed_in.is_admin):
            return await ask(())
        key = cached.key_of(message, signed_in.user.id)
        found = await self._deps.reader.messages(cached.namespace, operation.answer).get(key, ask)
        # If there is none, the owner's error is the answer.
        return found or await ask(())


def _operation(rule: Rule, channel: Channel) -> Operation:
    request, answer = GetMessageClass(rule.rpc.input_type), GetMessageClass(rule.rpc.output_type)
    converter(rule.rpc.output_type)
    name = f"{rule.rpc.containing_service.full_name}/{rule.rpc.name}"
    call = channel.unary_unary(f"/{name}", request.SerializeToString, answer.FromString)
    takes_request_id = "request_id" in rule.rpc.input_type.fields_by_name
    cached = CACHED_RPCS.get(name)
    return Operation(rule, request, call, takes_request_id, answer, cached, is_cacheable(rule.verb, rule.rpc))


async def _decode(operation: Operation, request: Request, values: list[str], signed_in: SignedIn) -> Message:
    rule, message = operation.rule, operation.request()
    if rule.body and (body := await read_json(request)) is not UNSET:
        if rule.body == WHOLE_BODY:
            merge(message, body)
        else:
            merge_message(getattr(message, rule.body), body, rule.body)
    merge_query(message, request.scope["query_string"])
    for variable, value in zip(rule.variables, values, strict=True):
        mine = value == MYSELF and variable.path in USER_FIELDS
        _assign(message, variable.path, signed_in.user.id if mine else value)
    if operation.takes_request_id:
        _adopt_idempotency_key(message, header(request.scope, b"idempotency-key"))
    return message


def _adopt_idempotency_key(message: Any, key: str) -> None:
    """Set the request id from the header if the message has none."""
    if len(key) > MAX_REQUEST_ID:
        raise invalid("Idempotency-Key", f"at most {MAX_REQUEST_ID} characters")
    message.request_id = message.request_id or key


async def read_json(request: Request) -> Any:
    """Return the body's JSON, UNSET if there is no body. Raises ApiError."""
    body = await request.body()
    if not body:
        return UNSET
    media_type = header(request.scope, b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
    return decode(body)


def _assign(message: Any, path: tuple[str, ...], value: str) -> None:
    *parents, last = path
    for parent in parents:
        message = getattr(message, parent)
    setattr(message, last, value)
