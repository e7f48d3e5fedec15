"""One RPC on its way through the ordered concerns that every call meets (`runtime/rpc/interceptors.py`)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor
from grpc import aio

from runtime.errors import InvalidArgument

T = TypeVar("T")

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""The largest request. gRPC's own limit is above it, because gRPC would answer RESOURCE_EXHAUSTED: try again later."""

WRITE_SECONDS = 30.0
"""How long a message on a stream may wait for its reader, who is then taken to be gone."""

Context = aio.ServicerContext[Any, Any]
Proceed = Callable[["Call"], Awaitable[Any]]


@dataclass(slots=True)
class Call:
    """A request, where it came from and which RPC it asks for."""

    method: str  # "trivet.identity.v1.UserService/GetUser"
    request: Any  # None until the concern Received has read it; an iterator of messages in a stream
    context: Context
    metadata: dict[str, Any]


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return a request as a message. Raises InvalidArgument for one over 4 MiB, which is not decoded."""
    if len(body) > MAX_REQUEST_BYTES:
        raise InvalidArgument(
            "REQUEST_TOO_LARGE",
            f"the request has {len(body)} bytes and may have {MAX_REQUEST_BYTES}: send less at a time",
        )
    return decode(body)


class Concern:
    """One thing that is done around every call. A subclass overrides `around`."""

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        """Learn of a method before its first call; raise to refuse to serve it."""

    async def around(self, call: Call, proceed: Proceed) -> Any:
        """Do this concern's work and let the call proceed."""
        return await proceed(call)


class Chain(aio.ServerInterceptor):
    """Wraps each handler once, on its method's first call, in the concerns in their order, outermost first.

    `others` are services whose calls meet other concerns, by full name: those that every caller can reach.
    """

    def __init__(self, concerns: Sequence[Concern], *, others: Mapping[str, Sequence[Concern]]) -> None:
        self._concerns = concerns
        self._others = others
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method[1:]
        if (wrapped := self._wrapped.get(method)) is not None:
            return wrapped
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: "grpc.RpcMethodHandler[Any, Any]") -> "grpc.RpcMethodHandler[Any, Any]":
        # A single request is read by a concern as well, behind those that may refuse the call or end it: grpc itself
        # would wait for a message that never comes, and answer one that it cannot decode with the exception's words.
        if handler.unary_unary is not None:
            return grpc.stream_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary), response_serializer=handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream), response_serializer=handler.response_serializer
            )
        if handler.stream_stream is not None and handler.request_deserializer is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._stream(method, handler.stream_stream),
                request_deserializer=partial(decoded, handler.request_deserializer),
                response_serializer=handler.response_serializer,
            )
        raise TypeError(f"{method}: an RPC that takes a stream and answers once is not served")

    def _unary(self, method: str, handle: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def innermost(call: Call) -> Any:
            return await handle(call.request, call.context)

        proceed = self._compose(method, innermost)

        async def served(_requests: Any, context: Context) -> Any:
            return await proceed(Call(method, None, context, dict(context.invocation_metadata() or ())))

        return served

    def _stream(self, method: str, handle: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Awaitable[None]]:
        async def innermost(call: Call) -> None:
            if iscoroutinefunction(handle):  # it writes its answers itself
                await handle(call.request, call.context)
                return
            # Closed at once when the call is cancelled, not whenever the garbage collector comes by.
            async with aclosing(handle(call.request, call.context)) as answers:
                async for answer in answers:
                    async with asyncio.timeout(WRITE_SECONDS):
                        await call.context.write(answer)

        proceed = self._compose(method, innermost)

        async def served(requests: Any, context: Context) -> None:
            await proceed(Call(method, requests, context, dict(context.invocation_metadata() or ())))

        return served

    def _compose(self, method: str, innermost: Proceed) -> Proceed:
        proceed = innermost
        concerns = self._others.get(method.rpartition("/")[0], self._concerns)
        for concern in reversed(concerns):
            proceed = partial(concern.around, proceed=proceed)
        return proceed
