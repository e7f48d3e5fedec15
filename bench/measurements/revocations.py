"""How soon a session that was ended at one place is refused by a gateway that held it."""

from bench.effort import Effort
from bench.load.revocation import Revocation, Seen
from bench.load.samples import percentile
from bench.measurements.timings import Timings
from bench.testbed.testbed import A_SESSION, GET_SESSION, Scene
from trivet.identity.v1.session_service_pb2 import RevokeSessionRequest

METHOD = "trivet.identity.v1.SessionService/RevokeSession"
BATCH = 50
"""How many calls are signed at once: a signature is good for a minute."""
ASKED_FROM, ASKED_AT_MOST = 1 << 22, 1 << 13
"""The first client address of the checks that run while sessions end, and how many addresses each session has."""
SEEN = "a revocation is seen by the other gateway after its return, p99 ms (wanted: 50 at most)"
SEEN_FROM_CALL = "a revocation is seen by the other gateway after the call began, p99 ms"
BELIEVED = "requests sent after the return of a confirmed revocation that were still believed (wanted: 0)"


def revocations(scene: Scene, effort: Effort) -> Timings:
    """End sessions that two gateways hold, while one of them is asked for each without a pause."""
    if scene.other_gateway is None:
        raise RuntimeError("there is no second gateway to be asked")
    members = scene.crowd.add(effort.revocations, of_one_user=True)
    ports = (scene.whole["gateway"].port, scene.other_gateway.port)
    found: list[Seen] = []
    for start in range(0, len(members), BATCH):
        asked = [
            Revocation(
                [scene.get(GET_SESSION, port=port, cookie=each.cookie, expects=A_SESSION) for port in ports],
                scene.rpc(
                    "identity",
                    METHOD,
                    RevokeSessionRequest(session_id=each.session_id).SerializeToString(),
                    for_person=True,
                ),
                ASKED_FROM + number * ASKED_AT_MOST,
            )
            for number, each in enumerate(members[start : start + BATCH], start)
        ]
        found += scene.generator.run("revocations", asked)
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
