"""Whether Stripe has sent something, and when (docs.stripe.com/webhooks, "Verify webhook signatures manually")."""

import re
from collections.abc import Sequence
from datetime import datetime

from runtime.errors import InvalidArgument

TOLERANCE_SECONDS = 300
MAX_HEADER_LENGTH = 4_096
MAX_PAYLOAD_BYTES = 256 * 1024
TIME = re.compile(r"t=([0-9]{1,12})")


def verify(payload: bytes, header: str, secrets: Sequence[str], now: datetime) -> str:
    """Return a payload as the text that was signed with one of the secrets, up to 300 s before or after `now`.

    Raises InvalidArgument: PAYLOAD_TOO_LARGE and INVALID_PAYLOAD for what nobody has to look at, INVALID_SIGNATURE,
    and STALE_SIGNATURE for a good one whose time is too far away.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise InvalidArgument("PAYLOAD_TOO_LARGE", f"an event has up to {MAX_PAYLOAD_BYTES} bytes", field="payload")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise InvalidArgument("INVALID_PAYLOAD", "an event is text in UTF-8", field="payload") from None
    signed_at = _time_of(header)
    if not any(_is_signed(text, header, secret) for secret in secrets):
        raise _invalid("the signature is not one of TRIVET_STRIPE_WEBHOOK_SECRETS over these bytes")
    # Stripe's own check lets any time of the future through.
    if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
        raise InvalidArgument(
            "STALE_SIGNATURE", f"it was signed more than {TOLERANCE_SECONDS} s from now", field="signature"
        )
    return text


def _time_of(header: str) -> int:
    """Return the one time that a header names, in Unix seconds. Raises InvalidArgument."""
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():  # the comparison below takes no other letters
        raise _invalid("the Stripe-Signature header is none")
    times = [found[1] for part in header.split(",") if (found := TIME.fullmatch(part))]
    if len(times) != 1:
        raise _invalid("the Stripe-Signature header names no time, or several")
    return int(times[0])


def _is_signed(text: str, header: str, secret: str) -> bool:
    """Whether one of the header's v1 signatures is the secret's, compared in constant time; of any age."""
    # Only who takes Stripe's events needs the package, which brings an HTTP client or two.
    from stripe import SignatureVerificationError, WebhookSignature

    try:
        return bool(WebhookSignature.verify_header(text, header, secret, tolerance=None))
    except SignatureVerificationError:  # it holds the payload: it goes no further
        return False


def _invalid(message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_SIGNATURE", message, field="signature")
