"""P1, P4: whether it is Stripe who has sent something, and when."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from services.identity.billing.stripe_signature import MAX_HEADER_LENGTH, MAX_PAYLOAD_BYTES, TOLERANCE_SECONDS, verify
from tests.harness.peers.stripe import NOW, OLD_SECRET, SECRET, signed

BODY = b'{"id": "evt_1",  "name": "Jos\xc3\xa9"}\n'
CLOCK = datetime.fromtimestamp(NOW, UTC)


def reason(payload: bytes, header: str, *secrets: str) -> str:
    """Return why it is refused, empty if it is not."""
    try:
        verify(payload, header, secrets or (SECRET,), CLOCK)
    except InvalidArgument as error:
        return error.reason
    return ""


def test_what_stripes_own_sdk_signs_is_taken_byte_by_byte() -> None:
    """P1: over the raw body; another space is another body."""
    assert verify(BODY, signed(BODY), (SECRET,), CLOCK) == BODY.decode()
    assert reason(BODY.replace(b"  ", b" "), signed(BODY)) == "INVALID_SIGNATURE"


def test_the_signature_is_the_hmac_that_stripe_documents() -> None:
    by_hand = hmac.new(SECRET.encode(), b"%d.%s" % (NOW, BODY), hashlib.sha256).hexdigest()
    assert reason(BODY, f"t={NOW},v1={by_hand}") == ""


def test_any_of_several_v1_signatures_is_enough_and_other_schemes_are_none() -> None:
    """P1."""
    good = signed(BODY).partition("v1=")[2]
    assert reason(BODY, f"t={NOW},v1={'0' * 64},v1={good}") == ""
    assert reason(BODY, f"t={NOW},v1={good},v1={'0' * 64},v0={'1' * 64}") == ""
    assert reason(BODY, f"t={NOW},v0={good}") == "INVALID_SIGNATURE"


def test_both_secrets_are_good_while_one_replaces_the_other() -> None:
    """P4."""
    for secret in (SECRET, OLD_SECRET):
        assert reason(BODY, signed(BODY, secret), SECRET, OLD_SECRET) == ""
    assert reason(BODY, signed(BODY, OLD_SECRET), SECRET) == "INVALID_SIGNATURE"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, ""),
        (-TOLERANCE_SECONDS, ""),
        (-TOLERANCE_SECONDS - 1, "STALE_SIGNATURE"),
        (TOLERANCE_SECONDS, ""),
        (TOLERANCE_SECONDS + 1, "STALE_SIGNATURE"),  # the SDK alone lets this through
        (10**9, "STALE_SIGNATURE"),
    ],
)
def test_a_signature_is_good_for_300_seconds_on_either_side(seconds: int, expected: str) -> None:
    """P1: a time in the future is refused as well."""
    assert reason(BODY, signed(BODY, at=NOW + seconds)) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1",
        "t=",
        f"t={NOW}",
        f"t={NOW},v1=",
        f"v1={'0' * 64}",
        f"t=-{NOW},v1={'0' * 64}",
        f"t={NOW}_0,v1={'0' * 64}",
        f"t={NOW},v1=é",
        f"t={NOW},v1=" + "0" * MAX_HEADER_LENGTH,
        "t=" + "9" * 5_000,
    ],
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    assert reason(BODY, header) == "INVALID_SIGNATURE"


def test_a_header_with_two_times_is_refused_though_one_of_them_was_signed() -> None:
    old = signed(BODY, at=NOW - 9_999)
    assert reason(BODY, f"{old},t={NOW}") == "INVALID_SIGNATURE"
    assert reason(BODY, f"t={NOW},{old}") == "INVALID_SIGNATURE"


def test_what_is_too_long_or_no_utf8_is_refused_before_anything_is_computed() -> None:
    """P4: whatever its signature."""
    assert reason(b" " * (MAX_PAYLOAD_BYTES + 1), "none") == "PAYLOAD_TOO_LARGE"
    assert reason(b"\xff{}", "none") == "INVALID_PAYLOAD"
    assert reason(b" " * MAX_PAYLOAD_BYTES, signed(b" " * MAX_PAYLOAD_BYTES)) == ""


@given(st.binary(max_size=200), st.text(max_size=200))
def test_nothing_that_anybody_makes_up_is_taken_or_fails_otherwise(payload: bytes, header: str) -> None:
    assert reason(payload, header) in ("INVALID_SIGNATURE", "INVALID_PAYLOAD")
