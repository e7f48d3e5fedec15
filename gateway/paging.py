"""Reads a whole list page by page, because a page of an RPC ends at 1 MiB."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar


class Answer(Protocol):
    """A page of an RPC."""

    next_page_token: str


A = TypeVar("A", bound=Answer)
T = TypeVar("T")


async def read_pages(ask: Callable[[str], Awaitable[A]], items: Callable[[A], Iterable[T]], *, most: int) -> list[T]:
    """Return the first `most` items of a list. `ask` reads the page of a token; the first page has an empty one."""
    found: list[T] = []
    token = ""
    while len(found) < most:
        page = await ask(token)
        found += items(page)
        if not (token := page.next_page_token):
            break
    return found[:most]
