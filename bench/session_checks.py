"""The cases of the session check: warm, beside everybody's; cold; traced; and among few sessions and among many."""

import random
from functools import partial
from statistics import median

from bench.cases import Case, Job, Makers, Subject, bare_http
from bench.effort import Effort
from bench.http_load import Request, spread
from bench.peers import KINDS, Peer
from bench.samples import Round
from bench.scene import GET_SESSION, Scene
from bench.timings import Timings

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
        return "each_once", [scene.check(each) for each in members]

    return Case(COLD, {"ours": Subject(job, alone="gateway"), **_others(scene, *REVOCABLE)})


def _traced(scene: Scene) -> Case:
    """Our own check without tracing, in turn with that of a gateway and a cache that trace one in a hundred."""
    if scene.traced is None:
        raise RuntimeError("there is no traced stack")
    port = scene.traced["gateway"].port
    traced = Subject(lambda: ("http", spread(scene.check(port=port))), alone="traced gateway")
    return Case(TRACED, {"ours": _ours(scene), "traced": traced})


def among_many(scene: Scene, effort: Effort) -> Timings:
    """What a check costs among few sessions, and among many: read from the database, and read again right after."""
    crowd = scene.crowd
    crowd.remove()
    crowd.make_room()
    found: Timings = {}
    costs = {}
    for kind, size in (("few", effort.few_sessions), ("many", effort.many_sessions)):
        members = crowd.add(size - 1) if kind == "many" else []
        crowd.analyze()
        rounds: list[tuple[float, float]] = []
        for number in range(1 + effort.rounds):
            if kind == "few":  # others, each time: those from before are in Redis
                crowd.remove()
                members = crowd.add(size - 1)
            unseen = random.Random(number).sample(members, min(len(members), effort.few_sessions - 1))  # noqa: S311  # any
            rounds += [_cost(scene, effort, [scene.check(each) for each in unseen])]
        cold, warm = (median(each) for each in zip(*rounds[1:], strict=True))
        costs[kind] = cold, warm
        found[f"a check among {size:,} sessions, database, ms"] = cold
        found[f"a check among {size:,} sessions, read again, ms"] = warm
    found |= {
        name: costs["many"][place] / costs["few"][place] for place, name in enumerate((MANY_FROM_DATABASE, MANY_AGAIN))
    }
    return found


MANY_FROM_DATABASE = "a check from the database among many sessions costs, times one among few (wanted: 1.1 at most)"
MANY_AGAIN = "a check read again among many sessions costs, times one among few (wanted: 1.1 at most)"


def _cost(scene: Scene, effort: Effort, requests: list[Request]) -> tuple[float, float]:
    """Return the milliseconds that a check takes when nothing is cached, and when everything is, 16 at a time."""
    scene.place("")
    first: Round = scene.generator.run("each_once", requests, effort.callers, 30.0)
    scene.place("gateway")  # a million rows are still being written out by the database
    again: Round = scene.generator.run("http", requests, effort.callers, effort.seconds)
    scene.place("")
    if first.failures or again.failures:
        raise RuntimeError(f"{first.failures + again.failures} checks failed")
    return 1000 / first.per_second, 1000 / again.per_second
