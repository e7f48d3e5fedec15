"""Measures how soon a gateway refuses a cached session after its revocation."""

from bench.effort import Effort
from bench.load.revocation import Revocation, RevocationResult
from bench.load.samples import percentile
from bench.measurements.timings import Timings
from bench.testbed.testbed import A_SESSION, GET_SESSION, Testbed
from trivet.identity.v1.session_service_pb2 import RevokeSessionRequest

METHOD = "trivet.identity.v1.SessionService/RevokeSession"
BATCH = 50
"""The number of calls signed together: a signature is valid for a minute."""
ASKED_FROM, ASKED_AT_MOST = 1 << 22, 1 << 13
"""The first client address of checks during a revocation, and the number of addresses per session."""
SEEN = "a revocation is seen by the other gateway after its return, p99 ms (wanted: 50 at most)"
SEEN_FROM_CALL = "a revocation is seen by the other gateway after the call began, p99 ms"
BELIEVED = "requests sent after the return of a confirmed revocation that were still believed (wanted: 0)"


def revocations(testbed: Testbed, effort: Effort) -> Timings:
    """Revoke sessions that two gateways have cached, while one of them checks each without a pause."""
    if testbed.other_gateway is None:
        raise RuntimeError("the second gateway could not be started")
    sessions = testbed.bulk_sessions.add(effort.revocations, of_one_user=True)
    ports = (testbed.whole["gateway"].port, testbed.other_gateway.port)
    found: list[RevocationResult] = []
    for start in range(0, len(sessions), BATCH):
        asked = [
            Revocation(
                [testbed.get(GET_SESSION, port=port, cookie=each.cookie, expects=A_SESSION) for port in ports],
                testbed.rpc(
                    "identity",
                    METHOD,
                    RevokeSessionRequest(session_id=each.session_id).SerializeToString(),
                    as_user=True,
                ),
                ASKED_FROM + number * ASKED_AT_MOST,
            )
            for number, each in enumerate(sessions[start : start + BATCH], start)
        ]
        found += testbed.generator.run("revocations", asked)
    from_return = [max(0.0, each.from_return_ms) for each in found]
    from_call = [each.from_call_ms for each in found]
    return {
        "revocations": float(len(found)),
        "of these confirmed": float(sum(each.confirmed for each in found)),
        "a revocation takes, median ms": percentile([each.call_ms for each in found], 0.5),
        "a revocation is seen by the other gateway after its return, median ms": percentile(from_return, 0.5),
        SEEN: percentile(from_return, 0.99),
        "a revocation is seen by the other gateway after the call began, median ms": percentile(from_call, 0.5),
        SEEN_FROM_CALL: percentile(from_call, 0.99),
        BELIEVED: float(sum(each.believed_after_return for each in found if each.confirmed)),
    }
