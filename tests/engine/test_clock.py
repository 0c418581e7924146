"""Ages of things that outlive a process: nobody sets the clock that tells them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.clock import Moment

HOUR = 3600.0


@pytest.mark.parametrize("hours", [-30, -1, 0, 1, 30])
def test_a_clock_that_was_set_since_changes_no_age(hours: float) -> None:
    now = Moment.now()
    begun = replace(now, unix=now.unix + hours * HOUR, up=now.up - 60)
    assert 60 <= Moment.read(begun.document()).age_s() < 70


def test_after_a_restart_or_elsewhere_the_time_of_day_tells() -> None:
    now = Moment.now()
    before = Moment(now.unix - HOUR, boot="another", up=10**9)
    assert HOUR <= before.age_s() < HOUR + 10
    assert Moment(now.unix + HOUR, boot="another").age_s() == 0.0


def test_what_older_versions_wrote_is_read() -> None:
    assert HOUR <= Moment.read(Moment.now().unix - HOUR).age_s() < HOUR + 10
