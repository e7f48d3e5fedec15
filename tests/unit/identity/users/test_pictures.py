"""What is kept as a user's picture."""

import pytest

from services.identity.users.pictures import DATA_LENGTH, is_image

DATA = "data:image/png;base64,"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://x.io/a.png",
        "x" * 2_048,
        "\u00e9" * 2_048,
        DATA + "A" * (68_034 - len(DATA)),
        DATA + "A" * (DATA_LENGTH - len(DATA)),
        "DATA:image/svg+xml;utf8," + "%3C" * 2_000,
    ],
)
def test_a_picture_is_an_address_or_a_data_url(text: str) -> None:
    """B26: the limit is 200,000 characters or more."""
    assert DATA_LENGTH >= 200_000
    assert is_image(text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2_049,
        "https://x.io/" + "a" * 2_048,
        DATA + "A" * (DATA_LENGTH + 1 - len(DATA)),
        DATA + "\u00e9" * 3_000,
        DATA + "A" * 3_000 + "\n",
        "data:text/html," + "A" * 3_000,
        "a\0b",
    ],
)
def test_what_is_neither_or_too_long_is_refused(text: str) -> None:
    assert not is_image(text)
