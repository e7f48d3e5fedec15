"""The cases of the session check: warm, beside everybody's; cold; and traced."""

from functools import partial

from bench.effort import Effort
from bench.load.http import spread
from bench.load.samples import Round
from bench.peers.peer import KINDS, Peer
from bench.testbed.testbed import GET_SESSION, Scene
from bench.throughput.cases import Case, Job, Makers, Subject, bare_http

WARM = "session check (HTTP)"
COLD = "session check, near cache empty and Redis warm (HTTP)"
TRACED = "session check, one in a hundred traced (HTTP)"
BARE_ASGI = "bare ASGI"
REVOCABLE = tuple(kind.name for kind in KINDS if kind.is_revocable and kind.name.startswith("better-auth,"))
"""npm's better-auth with settings under which an ended session is refused at once."""
CACHED = "better-auth, cookie cache"


def checks(scene: Scene, effort: Effort) -> Makers:
    """Return what makes each case of the session check."""
    return {WARM: lambda: _warm(scene), COLD: lambda: _cold(scene, effort), TRACED: lambda: _traced(scene)}


def _ours(scene: Scene) -> Subject:
    return Subject(lambda: ("http", spread(scene.check())), alone="gateway")


def _others(scene: Scene, *names: str) -> dict[str, Subject]:
    found = {name: peer for name, peer in scene.peers.items() if not names or name in names}
    return {name: Subject(partial(_check, peer), alone=name) for name, peer in found.items()}


def _check(peer: Peer) -> Job:
    return "http", spread(peer.get_session())


def _warm(scene: Scene) -> Case:
    bare = {"bare": bare_http(scene, "http", GET_SESSION), BARE_ASGI: bare_http(scene, "asgi", GET_SESSION)}
    return Case(WARM, {"ours": _ours(scene), **bare, **_others(scene)})


def _cold(scene: Scene, effort: Effort) -> Case:
    """Each session once, right after another gateway has had it read from the database into Redis."""
    if scene.other_gateway is None:
        raise RuntimeError("there is no second gateway to fill Redis by")
    port = scene.other_gateway.port
    crowd = scene.crowd

    def job() -> Job:
        members = crowd.add(effort.cold_sessions)
        scene.place("")
        filled: Round = scene.generator.run("each_once", [scene.check(each, port=port) for each in members], 16, 60.0)
        if filled.failures:
            raise RuntimeError(f"{filled.failures} sessions could not be read into Redis")
        scene.settle()
        return "each_once", [scene.check(each) for each in members]

    return Case(COLD, {"ours": Subject(job, alone="gateway"), **_others(scene, *REVOCABLE)})


def _traced(scene: Scene) -> Case:
    """Our own check without tracing, in turn with that of a gateway and a cache that trace one in a hundred."""
    if scene.traced is None:
        raise RuntimeError("there is no traced stack")
    port = scene.traced["gateway"].port
    traced = Subject(lambda: ("http", spread(scene.check(port=port))), alone="traced gateway")
    return Case(TRACED, {"ours": _ours(scene), "traced": traced})
