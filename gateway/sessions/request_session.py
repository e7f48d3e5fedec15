"""Who makes a request, by its cookie or bearer token."""

from functools import partial

from starlette.requests import HTTPConnection

from gateway.deps import Deps
from gateway.http.request_context import request_context_of
from gateway.sessions.reader import SignedIn
from runtime.ids import token_hash

OUTCOME = "trivet.session_outcome"
"""In the scope of a request whose session was read before: the failure of the read, or None if there is no session."""


async def session_of(request: HTTPConnection, deps: Deps, *, authoritative: bool = False) -> SignedIn | None:
    """Return the live session of a request, None if it has none. With `authoritative`, identity confirms it.

    Raises AioRpcError, and TooManyGuesses if the address has sent too many tokens that opened no session.
    """
    if not authoritative and OUTCOME in request.scope:
        if (failure := request.scope[OUTCOME]) is not None:
            raise failure
        return None
    token = deps.reader.cookies.token_of(request)
    if token is None:
        return None
    ask = partial(deps.reader.session, token, authoritative=authoritative)
    # A token whose session is cached here was no guess.
    is_counted = deps.token_guesses is not None and deps.reader.sessions.peek(token_hash(token)) is None
    found = await deps.token_guesses.counted(request, ask) if deps.token_guesses and is_counted else await ask()
    if found is not None:
        request_context_of(request.scope).user_id = found.user.id
    return found
