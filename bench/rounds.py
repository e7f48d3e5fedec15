"""Rounds of load, ours and the bare ones in turn, so that a machine that is busy for a while is busy for all."""

from dataclasses import dataclass, replace

from bench.cases import Case
from bench.generator import Generator
from bench.samples import Figures, Round
from bench.scene import Scene


@dataclass(frozen=True)
class Effort:
    """How much load is made: rounds of each subject, seconds of each round, calls at a time, and samples."""

    rounds: int = 5
    seconds: float = 1.0
    warm_up_seconds: float = 0.5
    callers: int = 16
    samples: int = 200
    flood: int = 200
    flood_seconds: float = 8.0


SUBJECTS = ("ours", "bare", "driver", "peer", "cached_peer")
QUICK = Effort(1, 0.1, 0.05, 2, 3, 4, 0.5)


@dataclass(frozen=True)
class Row:
    """A case's figures: ours, the bare server's, the bare driver's, and the original's without and with its cache."""

    name: str
    ours: Figures
    bare: Figures
    driver: Figures | None
    peer: Figures | None
    cached_peer: Figures | None


def run(case: Case, scene: Scene, generator: Generator, effort: Effort) -> Row:
    """Measure one case."""
    wanted = {name: getattr(case, name) for name in SUBJECTS}
    subjects = {name: job for name, job in wanted.items() if job is not None}
    rounds: dict[str, list[Round]] = {name: [] for name in subjects}
    for job in subjects.values():
        kind, what = job()
        generator.run(kind, what, effort.callers, effort.warm_up_seconds)
    for _ in range(effort.rounds):
        for name, job in subjects.items():
            before = scene.cpu_seconds()
            kind, what = job()
            measured: Round = generator.run(kind, what, effort.callers, effort.seconds)
            burnt = {process: seconds - before[process] for process, seconds in scene.cpu_seconds().items()}
            rounds[name].append(replace(measured, cpu_seconds=burnt))
    figures = {name: Figures.of(each) for name, each in rounds.items()}
    return Row(case.name, figures["ours"], figures["bare"], *(figures.get(name) for name in SUBJECTS[2:]))
