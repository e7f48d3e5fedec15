"""Page tokens come back as they went or not at all; a page ends at its size or at 1 MiB."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from runtime.paging import (
    FIRST_CHUNK,
    FRAME_BYTES,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    PAGE_BYTES,
    Page,
    decode_token,
    encode_token,
    page_number,
    page_size,
)

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.lists(plain), st.lists(st.one_of(plain, st.dates())))
def test_a_token_brings_back_the_sort_key_under_the_same_query(after: list[Any], query: list[Any]) -> None:
    assert decode_token(encode_token(after, *query), *query) == after


def test_no_token_is_the_first_page() -> None:
    assert decode_token("", "user1") is None


def test_a_token_of_another_query_is_refused() -> None:
    token = encode_token(["2026-01-01", "id"], "user1", "unread")
    with pytest.raises(InvalidArgument, match="another query"):
        decode_token(token, "user2", "unread")


@given(st.text(min_size=1))
def test_any_other_text_is_refused_and_never_a_failure_of_ours(token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        decode_token(token, "user1")
    assert (refused.value.reason, refused.value.field) == ("INVALID_PAGE_TOKEN", "page_token")


def raw(body: str) -> str:
    return base64.urlsafe_b64encode(body.encode()).decode()


DIGEST = json.loads(base64.urlsafe_b64decode(encode_token(["id"], "user1") + "=="))[0]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "1" * 5_000,
        "{}",
        "null",
        '"ab"',
        "[1,2,3]",
        f'["{DIGEST}", "id"]',
        f'["{DIGEST}", {{"$gt": ""}}]',
        f'["{DIGEST}", [{{"$gt": ""}}]]',
        f'["{DIGEST}", [["id"]]]',
        f'["{DIGEST}", [9223372036854775808]]',
        f'["{DIGEST}", [NaN]]',
        f'["{DIGEST}", [1e999]]',
        f'["{DIGEST}", [-Infinity]]',
    ],
    ids=lambda body: body[:30],
)
def test_a_forged_token_brings_nothing_but_plain_values(body: str) -> None:
    """I1: no operator of a store's, no nesting and no number that a driver would choke on."""
    with pytest.raises(InvalidArgument) as refused:
        decode_token(raw(body), "user1")
    assert refused.value.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("asked", [0, -1, 1_001, 10_001, -(2**31)])
def test_a_page_of_no_rows_or_too_many_is_refused(asked: int) -> None:
    with pytest.raises(InvalidArgument, match="from 1 to 1000"):
        page_size(asked, 20)


def test_a_page_has_the_size_asked_for_or_the_default() -> None:
    assert (page_size(None, 20), page_size(1, 20), page_size(1_000, 20)) == (20, 1, 1_000)


@pytest.mark.parametrize(("asked", "token"), [(0, ""), (-1, ""), (MAX_PAGE + 1, ""), (1, "token")])
def test_a_page_by_number_is_within_bounds_and_not_beside_a_token(asked: int, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        page_number(asked, token)
    assert refused.value.field == "page"


def test_a_page_by_number_is_the_one_asked_for() -> None:
    assert (page_number(None, "token"), page_number(7, "")) == (None, 7)


@dataclass(frozen=True)
class Row:
    """A row whose message has so many bytes."""

    number: int
    weight: int

    def ByteSize(self) -> int:  # protobuf's name
        return self.weight


WEIGHTS = st.lists(st.sampled_from((0, 1, 300, 40_000, 400_000, PAGE_BYTES, 3 * PAGE_BYTES)), max_size=400)


async def walked(rows: list[Row], size: int, *, by_chunks: bool) -> list[Page[Row, Row]]:
    """Return every page of a list, each begun behind the last row of the one before."""

    async def find(few: int, behind: Row | None) -> list[Row]:
        begin = first if behind is None else behind.number + 1
        return rows[begin : begin + few]

    async def stored(most: int) -> AsyncIterator[Row]:
        for row in rows[first : first + most]:
            yield row

    first, pages = 0, []
    while True:
        page = Page[Row, Row](size, lambda row: row)
        await (page.read(find) if by_chunks else page.fill(stored(page.missing)))
        pages.append(page)
        if (last := page.next_after) is None:
            return pages
        first = last.number + 1


@given(weights=WEIGHTS, size=st.integers(1, MAX_PAGE_SIZE), by_chunks=st.booleans())
async def test_a_walk_holds_every_row_once_in_pages_of_a_mebibyte(
    weights: list[int], size: int, by_chunks: bool
) -> None:
    rows = [Row(number, weight) for number, weight in enumerate(weights)]
    pages = await walked(rows, size, by_chunks=by_chunks)
    assert [row for page in pages for row in page.messages] == rows
    for page in pages:
        assert len(page.messages) <= size
        assert len(page.messages) == 1 or sum(row.weight for row in page.messages) <= PAGE_BYTES
    for page, following in pairwise(pages):  # and no page ends early
        one_more = [*page.messages, following.messages[0]]
        assert len(one_more) > size or sum(row.weight + FRAME_BYTES for row in one_more) > PAGE_BYTES


async def test_a_page_of_large_rows_is_read_few_at_a_time() -> None:
    asked: list[int] = []

    async def find(few: int, _: Row | None) -> list[Row]:
        asked.append(few)
        return [Row(number, 100_000) for number in range(few)]

    page = Page[Row, Row](1_000, lambda row: row)
    await page.read(find)
    assert (asked, len(page.messages), page.is_full) == ([FIRST_CHUNK], 10, True)


async def test_what_was_read_before_a_failure_is_not_on_the_page() -> None:
    async def failing() -> AsyncIterator[Row]:
        yield Row(0, 1)
        raise KeyError

    page = Page[Row, Row](5, lambda row: row)
    with pytest.raises(KeyError):
        await page.fill(failing())
    assert (page.messages, page.last, page.missing) == ([], None, 6)
