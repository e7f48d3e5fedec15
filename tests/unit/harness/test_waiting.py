"""Bounds in time: both of their sides are looked at."""

import pytest

from tests.harness.waiting import in_time, taking


@pytest.mark.parametrize(("taken", "least", "most"), [(0.1, 0.2, 1.0), (1.0, 0.2, 1.0), (3.0, 0.0, 1.0)])
def test_what_takes_too_long_or_no_time_at_all_fails(taken: float, least: float, most: float) -> None:
    with pytest.raises(AssertionError, match=r"took .* s, wanted"):
        in_time(taken, least, most)


def test_what_is_in_time_passes() -> None:
    in_time(0.2, 0.2, 1.0)
    with taking(0, 60):
        pass


def test_what_is_skipped_at_once_is_found() -> None:
    with pytest.raises(AssertionError), taking(0.2, 60):
        pass
