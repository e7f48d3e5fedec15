"""What a user's picture may be: its address, or the picture itself as a data URL (RFC 2397)."""

import re

from services.identity.store.control_characters import CONTROLS

ADDRESS_LENGTH = 2_048
DATA_LENGTH = 200_000
DATA_URL = re.compile("data:image/[!-~]+", re.IGNORECASE)
SHAPE = f"an address of up to {ADDRESS_LENGTH:,} characters or a data URL of an image of up to {DATA_LENGTH:,}"


def is_image(text: str) -> bool:
    """Whether a text can be kept as a user's picture. A data URL is ASCII, so that its bytes are bounded too."""
    if len(text) > ADDRESS_LENGTH:
        return len(text) <= DATA_LENGTH and DATA_URL.fullmatch(text) is not None
    return not CONTROLS.search(text)
