"""What is said of a run: targets, tables and the picture."""

import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from bench.attempts import Attempts
from bench.effort import QUICK
from bench.load.samples import Figures, Round
from bench.measurements.at_rest import MEMORY
from bench.reporting import figures, report
from bench.reporting.plot import Bar, draw, step_for
from bench.reporting.report import Record
from bench.reporting.targets import targets
from bench.throughput.cases import USER_READ
from bench.throughput.rounds import Row
from bench.throughput.session_checks import BARE_ASGI, CACHED, REVOCABLE, WARM


def at(*rates: float) -> Figures:
    """Return the figures of rounds with these calls a second."""
    return Figures.of([Round(1.0, [1.0] * int(rate), 0, {"gateway": 0.5}) for rate in rates])


def warm() -> Row:
    subjects = {"ours": at(120, 100, 140), "bare": at(150, 200, 200), BARE_ASGI: at(300, 300, 300)}
    plain, redis = REVOCABLE
    return Row(WARM, subjects | {plain: at(3, 3, 3), redis: at(5, 5, 5), CACHED: at(20, 20, 20)}, {})


def test_a_ratio_is_the_median_of_rounds_that_were_next_to_each_other() -> None:
    found = {target.name: target for target in targets([warm()], {})}
    beside_starlette = found["warm session check, of a constant Starlette answer"]
    assert beside_starlette.measured == pytest.approx(0.7)
    assert (beside_starlette.wanted, beside_starlette.met) == (1.0, False)


def test_a_read_stands_beside_a_bare_echo_and_the_drivers_read_one_after_the_other() -> None:
    row = Row(USER_READ, {"ours": at(90, 70, 80), "bare": at(400, 300, 300), "driver": at(100, 100, 150)}, {})
    found = {target.name: target for target in targets([row], {})}
    read = found["identity read by RPC (GetUser), of 1/(bare echo + driver alone)"]
    assert read.measured == pytest.approx(0.9333, abs=0.001)  # 1.125, 0.933 and 0.8 in the three rounds
    assert (read.wanted, read.met) == (0.65, True)


def test_the_faster_of_the_settings_that_can_revoke_is_what_ours_stands_beside() -> None:
    found = {target.name: target for target in targets([warm()], {})}
    assert found["warm session check, of better-auth's with settings that can revoke"].measured == pytest.approx(24)
    assert found["warm session check, of better-auth's with its cookie cache"].met is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    found = {target.name: target.met for target in targets([], {MEMORY: 451.0})}
    assert found.pop("whole stack at rest") is False
    assert set(found.values()) == {None}


def test_a_measurement_that_fails_loses_only_itself() -> None:
    said = StringIO()
    attempts = Attempts(Console(file=said, width=200))
    done = []
    for what in ("first", "second", "third"):
        with attempts.at(what):
            if what == "second":
                raise OSError("the store is gone")
            done.append(what)
    assert done == ["first", "third"]
    assert attempts.failed == {"second": "OSError: the store is gone"}
    assert "Traceback" in said.getvalue()


def test_the_page_gets_the_figures_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    results, page, picture = (tmp_path / name for name in ("results.json", "page.md", "picture.svg"))
    report.write(results, Record(QUICK, {"a path": "OSError: gone"}, stores=["sqlite"], rows=[warm()]))
    page.write_text(f"before\n{figures.BEGIN}a stale line\n{figures.END}after\n")
    figures.main(results, page, picture)
    written = page.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "a stale line" not in written
    assert "| Trivet | 120 (100-140) |" in written
    assert "Not measured: a path." in written
    figures.main(results, page, picture)
    assert page.read_text() == written


def test_the_picture_has_a_bar_for_each_in_the_order_of_their_rates() -> None:
    bars = [Bar("slow <one>", "other", 10, 9, 12), Bar("Trivet", "ours", 100, 90, 110, is_floor=True)]
    found = ET.fromstring(draw("A title", "under it", bars))
    texts = [text.text for text in found.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.index("Trivet") < texts.index("slow <one>")
    assert "at least 100" in texts
    widths = [
        float(rect.attrib["width"]) for rect in found.iter("{http://www.w3.org/2000/svg}rect") if "y" in rect.attrib
    ]
    assert widths[0] == pytest.approx(10 * widths[1], rel=0.01)


@pytest.mark.parametrize(("most", "step"), [(27_000, 5_000), (1_100, 200), (350, 100), (6, 1), (13_000, 5_000)])
def test_grid_lines_are_round_and_few(most: float, step: int) -> None:
    assert step_for(most) == step


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    report.write(path, Record(QUICK, {}, stores=["sqlite"], rows=[warm()], timings={"something, ms": 1.5}))
    found = json.loads(path.read_text())
    assert found["effort"] == asdict(QUICK)
    assert found["cases"][0]["ours"]["rates"] == [120, 100, 140]
    assert found["timings"] == {"something, ms": 1.5}
