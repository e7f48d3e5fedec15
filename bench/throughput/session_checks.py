"""The cases of the session check: warm and cold beside the peers, and traced."""

from functools import partial

from bench.effort import Effort
from bench.load.http import spread
from bench.load.samples import Round
from bench.peers.peer import PEER_KINDS, Peer
from bench.testbed.testbed import GET_SESSION, Testbed
from bench.throughput.cases import Case, Job, Makers, Subject, bare_http

WARM = "session check (HTTP)"
COLD = "session check, near cache empty and Redis warm (HTTP)"
TRACED = "session check, one in a hundred traced (HTTP)"
BARE_ASGI = "bare ASGI"
REVOCABLE = tuple(kind.name for kind in PEER_KINDS if kind.is_revocable and kind.name.startswith("better-auth,"))
"""npm's better-auth with settings that refuse a revoked session at once."""
CACHED = "better-auth, cookie cache"


def checks(testbed: Testbed, effort: Effort) -> Makers:
    """Return the cases of the session check."""
    return {WARM: lambda: _warm(testbed), COLD: lambda: _cold(testbed, effort), TRACED: lambda: _traced(testbed)}


def _ours(testbed: Testbed) -> Subject:
    return Subject(lambda: ("http", spread(testbed.check())), alone="gateway")


def _others(testbed: Testbed, *names: str) -> dict[str, Subject]:
    found = {name: peer for name, peer in testbed.peers.items() if not names or name in names}
    return {name: Subject(partial(_check, peer), alone=name) for name, peer in found.items()}


def _check(peer: Peer) -> Job:
    return "http", spread(peer.get_session())


def _warm(testbed: Testbed) -> Case:
    bare = {"bare": bare_http(testbed, "http", GET_SESSION), BARE_ASGI: bare_http(testbed, "asgi", GET_SESSION)}
    return Case(WARM, {"ours": _ours(testbed), **bare, **_others(testbed)})


def _cold(testbed: Testbed, effort: Effort) -> Case:
    """Check each session once, after another gateway has filled Redis with it."""
    if testbed.other_gateway is None:
        raise RuntimeError("the second gateway could not be started")
    port = testbed.other_gateway.port
    bulk_sessions = testbed.bulk_sessions

    def job() -> Job:
        sessions = bulk_sessions.add(effort.cold_sessions)
        testbed.pin("")
        filled: Round = testbed.generator.run(
            "each_once", [testbed.check(each, port=port) for each in sessions], 16, 60.0
        )
        if filled.failures:
            raise RuntimeError(f"{filled.failures} sessions could not be read into Redis")
        testbed.settle()
        return "each_once", [testbed.check(each) for each in sessions]

    return Case(COLD, {"ours": Subject(job, alone="gateway"), **_others(testbed, *REVOCABLE)})


def _traced(testbed: Testbed) -> Case:
    """Check without tracing, in turn with a gateway and a cache that trace 1 % of requests."""
    if testbed.traced is None:
        raise RuntimeError("the traced stack could not be started")
    port = testbed.traced["gateway"].port
    traced = Subject(lambda: ("http", spread(testbed.check(port=port))), alone="traced gateway")
    return Case(TRACED, {"ours": _ours(testbed), "traced": traced})
