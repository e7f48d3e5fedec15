"""Which calls may be tried again, from what the .proto files say of them."""

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
# gRFC A6: half the tokens gone stops retries, so a dead service is not called three times as often.
THROTTLING = {"maxTokens": 10, "tokenRatio": 0.1}


def service_config(audience: str) -> str:
    """Return gRPC's service config for a process: only repeatable RPCs are retried, within a budget."""
    names: list[dict[str, Any]] = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in methods(audience)
        if is_repeatable(method)
    ]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": POLICY}], "retryThrottling": THROTTLING})
