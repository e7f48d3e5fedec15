"""The description of a hand-written route, declared beside its handler. The API description is made from it."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta

from gateway.http.errors import Cause

H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What is known of one operation beyond its guard and its body; a decorator of its handler.

    `name`: the operation's id, if the path does not tell it. `answers`: what a 200 can hold, None for null; empty if it
    never is a 200. `answers_by`: what other statuses hold that are no errors. `redirects`: it can be a 302.
    `body` and `query`: what the handler reads by itself. `calls`: the RPCs whose reasons it passes on, as SERVICE.RPC.
    `without_code` and `without_body`: a sentence for each status whose
    answer has none. `signs_in`: the answer sets the session cookie and has `set-auth-token`. `reads_session`: it works
    with a session and without. `is_left_out`: it is always refused, and is not described.
    `security` and `causes`: the schemes and failures of a route outside of Better Auth.
    """

    name: str = ""
    answers: tuple[Any, ...] = ()
    answers_by: Mapping[int, Any] = field(default_factory=dict)
    redirects: bool = False
    body: Any = None
    query: Any = None
    calls: tuple[str, ...] = ()
    without_code: Mapping[int, str] = field(default_factory=dict)
    without_body: Mapping[int, str] = field(default_factory=dict)
    signs_in: bool = False
    reads_session: bool = False
    is_left_out: bool = False
    security: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()

    def __call__(self, handler: H) -> H:
        _DESCRIPTIONS[handler] = self
        return handler


_DESCRIPTIONS: MutableMapping[Callable[..., Any], Description] = WeakKeyDictionary()


def description_of(handler: Callable[..., Any]) -> Description:
    """Return the description of a handler. Raises LookupError, with its name, if it has none."""
    try:
        return _DESCRIPTIONS[handler]
    except KeyError:
        raise LookupError(f"{handler.__module__}.{handler.__qualname__} has no Description") from None


UserAnswer = Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/AuthUser"})]
SessionAnswer = Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/AuthSession"})]
"""Members whose schema depends on the fields that the settings declare."""


class Done(msgspec.Struct):
    """It is done."""

    status: bool


DONE = Done(status=True)
