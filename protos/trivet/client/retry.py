"""gRPC's retry policy, made from the .proto files: only repeatable RPCs are retried."""

import json
from typing import Any

from trivet.client.methods import is_repeatable, methods

POLICY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# gRFC A6: retries stop while half of the tokens are used up, so a dead service does not get three times the calls.
THROTTLING = {"maxTokens": 10, "tokenRatio": 0.1}


def service_config(audience: str) -> str:
    """Return gRPC's service config for the RPCs of a process: retries of repeatable RPCs, within a budget."""
    names: list[dict[str, Any]] = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in methods(audience)
        if is_repeatable(method)
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}], "retryThrottling": THROTTLING})
