"""The valid forms of a user's picture: a URL, or the image itself as a data URL (RFC 2397)."""

import re

from services.identity.store.control_characters import CONTROLS

ADDRESS_LENGTH = 2_048
DATA_LENGTH = 200_000
DATA_URL = re.compile("data:image/[!-~]+", re.IGNORECASE)
SHAPE = f"a URL of up to {ADDRESS_LENGTH:,} characters or a data URL of an image of up to {DATA_LENGTH:,}"


def is_image(text: str) -> bool:
    """Whether a text can be stored as a user's picture. A data URL is ASCII, so the limit also bounds its bytes."""
    if len(text) > ADDRESS_LENGTH:
        return len(text) <= DATA_LENGTH and DATA_URL.fullmatch(text) is not None
    return not CONTROLS.search(text)
