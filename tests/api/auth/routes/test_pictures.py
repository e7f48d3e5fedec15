"""Pictures that front ends send as data URLs."""

import httpx
import pytest

from tests.api.auth.conftest import session_of, sign_up

DATA = "data:image/png;base64,"


def avatar(length: int) -> str:
    return DATA.ljust(length, "A")


@pytest.mark.parametrize("length", [68_034, 200_000])
def test_an_avatar_as_a_data_url_is_taken_and_answered(client: httpx.Client, length: int) -> None:
    """B26."""
    sign_up(client)
    assert client.post("/update-user", json={"image": avatar(length)}).json() == {"status": True}
    for _ in range(3):  # from identity, from the cache, and from the gateway's memory
        assert client.get("/get-session").json()["user"]["image"] == avatar(length)
    assert session_of(client)


@pytest.mark.parametrize("image", [avatar(200_001), "https://x.io/" + "a" * 2_048])
def test_a_longer_one_is_refused_and_changes_nothing(client: httpx.Client, image: str) -> None:
    sign_up(client)
    refused = client.post("/update-user", json={"image": image})
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")
    assert client.get("/get-session").json()["user"]["image"] is None
