"""The description of a hand-written route, declared beside its handler. The API description is made from it."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Meta

H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the description of one operation needs beyond its guard and its body. It decorates the handler.

    `name`: the operation's id, if it does not follow from the path. `answers`: what a 200 can contain, None for null;
    empty if there is no 200. `answers_by`: the contents of other statuses that are no errors. `redirects`: the answer
    can be a 302. `body` and `query`: what the handler reads itself. `calls`: the RPCs whose reasons the handler passes
    on, by full name or as SERVICE.RPC of identity. `without_code` and `without_body`: a sentence for each status whose
    answer has none. `signs_in`: the answer sets the session cookie and has `set-auth-token`. `reads_session`: the
    session is optional. `is_left_out`: the operation always fails, and is not described. `security`: the schemes of a
    route outside of Better Auth.

    The failures are not declared here. They are found in the code (gateway/api/openapi/raised.py).
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
