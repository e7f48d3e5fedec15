"""gRPC's service config: retries, made from the .proto files, and the spreading of calls over replicas."""

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
TOKENS_OF_SEVERAL = 100
"""The tokens if there are several replicas: another one can answer all calls that a killed one had."""


CALLS = "calls"
"""The health name that is SERVING from the first answer of the server's store until the server drains."""
SEVERAL = ("dns:", "ipv4:", "ipv6:")
"""The schemes of targets that can name several replicas."""


def service_config(audience: str, target: str = "") -> str:
    """Return gRPC's service config for the RPCs of a process: retries of repeatable RPCs, within a budget.

    If `target` can name several replicas, calls go to all of them in turn, and not to one that drains. A server that
    does not know the health name CALLS is not called through such a target.
    """
    names: list[dict[str, Any]] = [
        {"service": method.containing_service.full_name, "method": method.name}
        for method in methods(audience)
        if is_repeatable(method)
    ]
    config: dict[str, Any] = {
        "methodConfig": [{"name": names, "retryPolicy": POLICY}],
        "retryThrottling": THROTTLING,
    }
    if target.startswith(SEVERAL):
        config["loadBalancingConfig"] = [{"round_robin": {}}]
        config["healthCheckConfig"] = {"serviceName": CALLS}
        config["retryThrottling"] = THROTTLING | {"maxTokens": TOKENS_OF_SEVERAL}
    return json.dumps(config)
