"""A difference is found, whatever it is in, and what is random does not hide one."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.auth.recordings import recording, unlisted
from tests.differential.compare import differences
from tests.differential.normal import Words

SCENARIO = "listing-sessions"
"""Somebody signs up, lists one session, signs in elsewhere and lists two."""


def changed(change: Callable[[list[dict[str, Any]]], object]) -> list[str]:
    """Return the places in which a changed copy of a scenario is not the recording."""
    recorded = recording()[SCENARIO]
    ours = copy.deepcopy(recorded)
    change(ours)
    return [difference.place for difference in unlisted(differences(SCENARIO, recorded, ours))]


def test_the_recording_is_like_itself() -> None:
    assert changed(lambda ours: ours.copy()) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda ours: ours[0].update(status=201), "status"),
        (lambda ours: ours[0]["headers"].update({"content-type": "text/plain"}), "headers.content-type"),
        (lambda ours: ours[0]["headers"].update(location="/"), "headers.location"),
        (lambda ours: ours[0]["cookies"].append("a=b"), "cookies.1"),
        (lambda ours: ours[0]["body"]["user"].update(image=""), "body.user.image"),
        (lambda ours: ours[0]["body"]["user"].update(emailVerified=0), "body.user.emailVerified"),
        (lambda ours: ours[0]["body"]["user"].pop("image"), "body.user.image"),
        (lambda ours: ours[0]["body"]["user"].update(role="user"), "body.user.role"),
        (lambda ours: ours[1]["body"][0].update(expiresAt="«date 86400»"), "body.0.expiresAt"),
        (lambda ours: ours[1]["body"][0].update(userId=ours[1]["body"][0]["id"]), "body.0.userId"),
    ],
)
def test_a_changed_answer_is_found(change: Callable[[list[dict[str, Any]]], object], place: str) -> None:
    assert place in changed(change)


def test_a_missing_exchange_is_found() -> None:
    assert "request" in changed(lambda ours: ours.pop())


def test_a_scenario_that_could_not_go_on_is_found() -> None:
    assert changed(lambda ours: ours.insert(1, {"request": "", "why": "TimeoutError"})) == ["why"]


def test_words_tell_a_good_signature_from_a_bad_one() -> None:
    token = "j6WKcQRHgMNwvtetGxBcNnUAKd2D8wDb"
    good = f"{token}.ZcAXL2OTqVhbYub%2BVLMDHev7rCKgWy5Bl2eXcprSNjU%3D"
    assert Words().text(good) == "«32 1».«well signed, encoded»"
    assert Words().text(good.replace("ZcAX", "ZcAY")) == "«32 1».«badly signed, encoded»"
    assert Words().text(f"{token} {token} {token[::-1]}") == "«32 1» «32 1» «32 2»"
