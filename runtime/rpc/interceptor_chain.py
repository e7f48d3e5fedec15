"""The ordered interceptors that every call passes (`runtime/rpc/interceptors.py`)."""

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
"""The largest request. gRPC's own limit is higher, because gRPC answers RESOURCE_EXHAUSTED, which invites a retry."""

WRITE_SECONDS = 30.0
"""How long a message on a stream waits for its reader. After that the stream ends."""

Context = aio.ServicerContext[Any, Any]
Proceed = Callable[["Call"], Awaitable[Any]]


@dataclass(slots=True)
class Call:
    """A request, where it came from and which RPC it asks for."""

    method: str  # "trivet.identity.v1.UserService/GetUser"
    request: Any  # None until RequestDecoding has read it; an iterator of messages in a stream
    context: Context
    metadata: dict[str, Any]


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Return a request as a message. Raises InvalidArgument for one over 4 MiB, which is not decoded."""
    if len(body) > MAX_REQUEST_BYTES:
        raise InvalidArgument(
            "REQUEST_TOO_LARGE",
            f"the request has {len(body)} bytes, the limit is {MAX_REQUEST_BYTES}: split it into several calls",
        )
    return decode(body)


class Interceptor:
    """Wraps every call. A subclass overrides `intercept`."""

    def prepare(self, method: str, descriptor: MethodDescriptor | None) -> None:
        """Prepare for a method before its first call. Raise an exception to refuse to serve it."""

    async def intercept(self, call: Call, proceed: Proceed) -> Any:
        """Handle one call. `await proceed(call)` runs the inner interceptors and the handler."""
        return await proceed(call)


class InterceptorChain(aio.ServerInterceptor):
    """Wraps each handler in the interceptors, outermost first. It does so once, on the method's first call.

    `others` maps the full names of services to interceptors of their own: these services serve every caller.
    """

    def __init__(self, interceptors: Sequence[Interceptor], *, others: Mapping[str, Sequence[Interceptor]]) -> None:
        self._interceptors = interceptors
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
        # An interceptor reads a single request, after those that can refuse or end the call. grpc itself would wait for
        # a message that never comes, and would answer one that it cannot decode with the exception's text.
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
            if iscoroutinefunction(handle):  # it writes its responses to the context
                await handle(call.request, call.context)
                return
            # aclosing closes the generator as soon as the call is cancelled, not at the next garbage collection.
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
        interceptors = self._others.get(method.rpartition("/")[0], self._interceptors)
        for interceptor in reversed(interceptors):
            proceed = partial(interceptor.intercept, proceed=proceed)
        return proceed
