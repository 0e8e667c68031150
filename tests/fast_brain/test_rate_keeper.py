import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.rate_keeper import RateKeeper, TimeHistogram

PERIOD_NS = 10_000_000


def test_a_beat_in_time_is_not_late() -> None:
    """Beats at their deadlines give zero lateness, the wanted rate, and miss nothing."""
    keeper = RateKeeper(100.0)
    for beat in range(300):
        keeper.beat(5 + beat * PERIOD_NS)
    assert keeper.lateness.max_ms == 0.0
    assert keeper.missed == 0
    assert keeper.beats == 300
    assert keeper.effective_rate_hz == pytest.approx(100.0)


def test_a_late_beat_does_not_push_back_the_next() -> None:
    """Deadlines stay on the grid of the first beat."""
    keeper = RateKeeper(100.0)
    keeper.beat(0)
    keeper.beat(PERIOD_NS + 3_000_000)
    assert keeper.next_deadline_ns == 2 * PERIOD_NS
    assert keeper.lateness.max_ms == 3.0


def test_swallowed_beats_are_counted_and_skipped() -> None:
    """A beat that comes 3.5 periods late skips three deadlines; the next is ahead."""
    keeper = RateKeeper(100.0)
    keeper.beat(0)
    assert keeper.beat(PERIOD_NS * 9 // 2) == 3
    assert keeper.missed == 3
    assert keeper.next_deadline_ns == 5 * PERIOD_NS


def test_a_clock_set_back_begins_the_grid_anew() -> None:
    """After a jump back the keeper goes on from there instead of waiting for the old time."""
    keeper = RateKeeper(100.0)
    keeper.beat(10_000 * PERIOD_NS)
    assert keeper.beat(7) == 0
    assert keeper.next_deadline_ns == 7 + PERIOD_NS


def test_a_period_that_is_no_whole_number_does_not_drift() -> None:
    """After an hour at 30 Hz the deadline is off by less than a nanosecond."""
    keeper = RateKeeper(30.0)
    for beat in range(30 * 60):
        keeper.beat(round(beat * 1e9 / 30))
    assert keeper.next_deadline_ns == 60 * 1_000_000_000
    assert keeper.missed == 0


def test_a_histogram_without_beats_says_zero() -> None:
    """Before the first beat every figure is zero."""
    histogram = TimeHistogram()
    assert (histogram.count, histogram.max_ms, histogram.percentile_ms(0.99)) == (0, 0.0, 0.0)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_percentiles_are_within_a_bucket(late_ns: list[int], share: float) -> None:
    """A percentile is never below the true one, nor above it by more than 4.5 %."""
    histogram = TimeHistogram()
    for lateness_ns in late_ns:
        histogram.add(lateness_ns)
    rank = max(math.ceil(share * len(late_ns)) - 1, 0)
    true_ms = sorted(late_ns)[rank] / 1e6
    told_ms = histogram.percentile_ms(share)
    # The first bucket takes everything below a microsecond.
    assert told_ms >= true_ms * (1 - 1e-9) or true_ms <= 0.001
    assert told_ms <= max(true_ms * 1.045, 0.001)
    assert histogram.max_ms == max(late_ns) / 1e6
    assert histogram.percentiles_ms((share, 1.0)) == [told_ms, histogram.percentile_ms(1.0)]


@given(st.lists(st.integers(0, 50_000_000), min_size=1, max_size=60))
def test_every_deadline_is_met_late_or_missed(steps_ns: list[int]) -> None:
    """Beats and missed deadlines together make up the grid, and the next lies ahead."""
    keeper = RateKeeper(100.0)
    now_ns = 1000
    keeper.beat(now_ns)
    for step_ns in steps_ns:
        now_ns = max(now_ns + step_ns, keeper.next_deadline_ns)
        keeper.beat(now_ns)
        assert keeper.next_deadline_ns > now_ns
    assert keeper.next_deadline_ns == 1000 + (keeper.beats + keeper.missed) * PERIOD_NS
