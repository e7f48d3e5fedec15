"""Rounds of load. The subjects take turns, so that a busy machine affects all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.effort import Effort
from bench.load.samples import LOAD, Figures, Round
from bench.testbed import cores
from bench.testbed.testbed import Testbed
from bench.throughput.cases import Case, Subject

OWN_WORK = {"driver": "the driver", "hash": "the hash"}
"""Kinds of load without a server: the process of the load generator is measured."""


@dataclass(frozen=True)
class Row:
    """A case's figures by subject, `ours` first."""

    name: str
    subjects: Mapping[str, Figures]
    failed: Mapping[str, str]
    """The reasons of subjects without figures."""

    @property
    def ours(self) -> Figures:
        return self.subjects["ours"]


def run(case: Case, testbed: Testbed, effort: Effort) -> Row:
    """Measure one case. A subject that fails is left out of later rounds. If `ours` fails, the exception is raised."""
    rounds: dict[str, list[Round]] = {name: [] for name in case.subjects}
    failed: dict[str, str] = {}
    try:
        for number in range(1 + effort.rounds):
            for name, subject in case.subjects.items():
                if name in failed:
                    continue
                warm_up = effort.compiling_seconds if subject.alone else effort.warm_up_seconds
                try:
                    measured = _round(subject, testbed, effort.callers, effort.seconds if number else warm_up)
                except Exception as error:  # any failure: the other subjects continue
                    if name == "ours":
                        raise
                    failed[name] = f"{type(error).__name__}: {error}"
                else:
                    rounds[name] += [measured] if number else []
    finally:
        testbed.pin("")
    shared = cores.load_shares_its_core()
    figures = {
        name: Figures.of(each, case.subjects[name].alone, shared=shared)
        for name, each in rounds.items()
        if name not in failed
    }
    return Row(case.name, figures, failed)


def _round(subject: Subject, testbed: Testbed, callers: int, seconds: float) -> Round:
    kind, what = subject.job()
    testbed.pin(subject.alone)
    before = testbed.cpu_seconds()
    measured: Round = testbed.generator.run(kind, what, callers, seconds)
    used = {process: spent - before[process] for process, spent in testbed.cpu_seconds().items() if process in before}
    if kind in OWN_WORK:
        used[OWN_WORK[kind]] = used.pop(LOAD, 0.0)
    return replace(measured, cpu_seconds=used)
