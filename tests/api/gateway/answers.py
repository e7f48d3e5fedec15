"""What the tests of bad input send and read."""

from typing import Any

import httpx

from tests.api.gateway.stand_ins import USER

JSON = {**USER, "content-type": "application/json"}


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the error in an answer, in AIP-193's shape."""
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["message"]
    return error
