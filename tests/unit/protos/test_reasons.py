"""The reasons in the comments of identity's RPCs are reasons that the code raises."""

import re

import pytest

from tests.test_words import COMMENTS, reasons

RPCS = sorted(name for name in COMMENTS if name.startswith("trivet.identity.v1.") and "Fails with" in COMMENTS[name])
REASON = re.compile(r"\b(?!TRIVET_)[A-Z]+(?:_[A-Z]+)+\b")
CODES = {
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "PERMISSION_DENIED",
}


@pytest.fixture(scope="module")
def raised() -> set[str]:
    return reasons()


@pytest.mark.parametrize("rpc", RPCS)
def test_a_comment_names_only_reasons_that_are_raised(rpc: str, raised: set[str]) -> None:
    """`/openapi.json` lists them as the values of `reason`."""
    named = set(REASON.findall(COMMENTS[rpc].partition("Fails ")[2])) - CODES
    assert named - raised == set()


def test_the_comments_are_found() -> None:
    assert len(RPCS) > 20
