"""Verifies Stripe's webhook signatures (docs.stripe.com/webhooks, "Verify webhook signatures manually")."""

import re
from collections.abc import Sequence
from datetime import datetime

from runtime.errors import InvalidArgument

TOLERANCE_SECONDS = 300
MAX_HEADER_LENGTH = 4_096
MAX_PAYLOAD_BYTES = 256 * 1024
TIME = re.compile(r"t=([0-9]{1,12})")


def verify(payload: bytes, header: str, secrets: Sequence[str], now: datetime) -> str:
    """Return the payload as text if one of the secrets signed it, at most 300 s before or after `now`.

    Raises InvalidArgument: PAYLOAD_TOO_LARGE, INVALID_PAYLOAD if it is not UTF-8, INVALID_SIGNATURE, and
    STALE_SIGNATURE for a valid signature of another time.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidArgument(
            "PAYLOAD_TOO_LARGE", f"payload must have at most {MAX_PAYLOAD_BYTES} bytes", field="payload"
        )
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise InvalidArgument("INVALID_PAYLOAD", "payload must be UTF-8", field="payload") from None
    signed_at = _time_of(header)
    if not any(_is_signed(text, header, secret) for secret in secrets):
        raise _invalid("no secret in TRIVET_STRIPE_WEBHOOK_SECRETS matches the signature")
    # Stripe's own check accepts any time in the future.
    if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
        raise InvalidArgument(
            "STALE_SIGNATURE",
            f"the signature is more than {TOLERANCE_SECONDS} s from the current time",
            field="signature",
        )
    return text


def _time_of(header: str) -> int:
    """Return the time in a header, in Unix seconds. Raises InvalidArgument (INVALID_SIGNATURE)."""
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():  # the comparison below accepts ASCII only
        raise _invalid("the Stripe-Signature header is malformed")
    times = [found[1] for part in header.split(",") if (found := TIME.fullmatch(part))]
    if len(times) != 1:
        raise _invalid("the Stripe-Signature header must have exactly one time")
    return int(times[0])


def _is_signed(text: str, header: str, secret: str) -> bool:
    """Whether a v1 signature of the header matches the secret, compared in constant time. Does not check its age."""
    # Imported here: only a site with Stripe needs the package, which imports HTTP clients.
    from stripe import SignatureVerificationError, WebhookSignature

    try:
        return bool(WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except SignatureVerificationError:  # dropped, because it contains the payload
        return False


def _invalid(message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_SIGNATURE", message, field="signature")
