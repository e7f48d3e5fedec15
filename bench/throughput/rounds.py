"""Rounds of load, ours and the others in turn, so that a machine that is busy for a while is busy for all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.effort import Effort
from bench.load.samples import LOAD, Figures, Round
from bench.testbed import cores
from bench.testbed.testbed import Scene
from bench.throughput.cases import Case, Subject

OWN_WORK = {"driver": "the driver", "hash": "the hash"}
"""Kinds of load that ask nobody: their process is what is measured."""


@dataclass(frozen=True)
class Row:
    """A case's figures by subject: `ours` first, then what was measured beside it."""

    name: str
    subjects: Mapping[str, Figures]
    failed: Mapping[str, str]
    """Why a subject has no figures."""

    @property
    def ours(self) -> Figures:
        return self.subjects["ours"]


def run(case: Case, scene: Scene, effort: Effort) -> Row:
    """Measure one case. A subject that fails is left out from then on; if it is ours, nothing is measured."""
    rounds: dict[str, list[Round]] = {name: [] for name in case.subjects}
    failed: dict[str, str] = {}
    try:
        for number in range(1 + effort.rounds):
            for name, subject in case.subjects.items():
                if name in failed:
                    continue
                warm_up = effort.compiling_seconds if subject.alone else effort.warm_up_seconds
                try:
                    measured = _round(subject, scene, effort.callers, effort.seconds if number else warm_up)
                except Exception as error:  # whatever it was, the other subjects stand
                    if name == "ours":
                        raise
                    failed[name] = f"{type(error).__name__}: {error}"
                else:
                    rounds[name] += [measured] if number else []
    finally:
        scene.place("")
    shared = cores.load_shares_its_core()
    figures = {
        name: Figures.of(each, case.subjects[name].alone, shared=shared)
        for name, each in rounds.items()
        if name not in failed
    }
    return Row(case.name, figures, failed)


def _round(subject: Subject, scene: Scene, callers: int, seconds: float) -> Round:
    kind, what = subject.job()
    scene.place(subject.alone)
    before = scene.cpu_seconds()
    measured: Round = scene.generator.run(kind, what, callers, seconds)
    burnt = {process: spent - before[process] for process, spent in scene.cpu_seconds().items() if process in before}
    if kind in OWN_WORK:
        burnt[OWN_WORK[kind]] = burnt.pop(LOAD, 0.0)
    return replace(measured, cpu_seconds=burnt)
