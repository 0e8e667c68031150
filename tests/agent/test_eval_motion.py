import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evaluation.motion import Motion, MotionMeter, measure_motion
from agent.evaluation.statistics import mean_interval, motion_figures
from bridge.messages import Command, Hold, HoldReason, Verdict
from bridge.specs import ActionSpec

S = 1_000_000_000
PERIOD_S = 0.01
SPEC = ActionSpec(
    names=("x", "yaw"),
    low=(-1.0, -1.0),
    high=(1.0, 1.0),
    units=("m", "rad"),
    max_speed=(1.0, 1.0),
    control_rate_hz=100.0,
)


def measured(xs: list[float], chunks: list[int] | None = None, *, pause_at: int = -1) -> Motion:
    """Commands along x at 100 Hz; before the one at `pause_at` three beats are missing."""
    beats = [beat + 3 * (0 <= pause_at <= beat) for beat in range(len(xs))]
    stamps = [round(beat * PERIOD_S * S) for beat in beats]
    return measure_motion(
        np.array(xs, np.float64).reshape(-1, 1), stamps, chunks or [1] * len(xs), PERIOD_S
    )


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1), st.integers(4, 40))
def test_a_parabola_has_no_jerk(place_m: float, speed: float, bend: float, ticks: int) -> None:
    """Motion of constant acceleration is as smooth as can be, wherever it is and however fast."""
    times_s = np.arange(ticks) * PERIOD_S
    motion = measured(list(place_m + speed * times_s + bend * times_s**2))
    assert motion.jerk_mean_m_per_s3 == pytest.approx(0.0, abs=1e-6)


def test_a_cubic_has_the_jerk_of_its_third_derivative() -> None:
    """A cube of time has a jerk of 6 m/s³ everywhere."""
    motion = measured([(beat * PERIOD_S) ** 3 for beat in range(20)])
    assert motion.jerk_mean_m_per_s3 == pytest.approx(6.0, rel=1e-6)
    assert motion.jerk_p99_m_per_s3 == pytest.approx(6.0, rel=1e-6)


def test_a_gap_is_counted_where_chunks_join() -> None:
    """The step from one chunk to another is a gap, the steps within them are not."""
    motion = measured([0.0, 0.001, 0.002, 0.012, 0.013], [1, 1, 1, 2, 2])
    assert motion.joins == 1
    assert motion.gap_mean_m == pytest.approx(0.010)
    assert motion.step_mean_m == pytest.approx(0.001)


def test_what_happened_across_a_hold_is_no_motion() -> None:
    """After a pause neither a jerk nor a gap is measured against what was before it."""
    motion = measured([0.0, 0.0, 0.0, 0.5, 0.5, 0.5], [1, 1, 1, 2, 2, 2], pause_at=3)
    assert motion.joins == 0
    assert motion.jerk_mean_m_per_s3 is None
    assert motion.step_mean_m == 0.0


def test_nothing_commanded_is_nothing_measured() -> None:
    """An episode that only held has no figures, and no error."""
    motion = MotionMeter(SPEC, 100.0).measure()
    assert motion.commands == 0
    assert motion.jerk_mean_m_per_s3 is None


def _command(beat: int, x: float, yaw: float) -> Command:
    return Command(
        action=np.array([x, yaw], np.float32),
        stamp_ns=round(beat * PERIOD_S * S),
        sequence=beat,
        verdict=Verdict(kind="passed"),
        chunk_sequence=beat // 2,
        chunk_index=0,
    )


def test_only_lengths_are_measured_and_each_command_once() -> None:
    """A turning hand is not jerk in metres, and a command read twice is one command."""
    meter = MotionMeter(SPEC, 100.0)
    for beat in range(6):
        meter.look(_command(beat, x=0.5, yaw=(-1.0) ** beat))
        meter.look(_command(beat, x=0.5, yaw=(-1.0) ** beat))
        meter.look(Hold(reason=HoldReason.NO_CHUNK, stamp_ns=round(beat * PERIOD_S * S)))
    motion = meter.measure()
    assert motion.commands == 6
    assert motion.joins == 2
    assert motion.jerk_p99_m_per_s3 == 0.0


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.randoms(use_true_random=False))
def test_a_mean_lies_in_its_interval(values: list[float], random: object) -> None:
    """The interval holds the mean, lies within the values, and does not depend on their order."""
    interval = mean_interval(values)
    assert interval is not None
    low, high = interval
    slack = 1e-9 + 1e-9 * max(map(abs, values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert mean_interval(reversed(values)) == interval


def test_figures_say_over_how_many_episodes_they_are() -> None:
    """An episode without a join has no gap, and does not count in its mean."""
    smooth, joined = measured([0.0] * 6), measured([0.0, 0.1] * 3, [1, 2] * 3)
    figures = motion_figures([smooth, joined])
    assert figures["jerk_mean_m_per_s3"]["n"] == 2
    assert figures["gap_mean_m"]["n"] == 1
    assert figures["gap_mean_m"]["mean"] == pytest.approx(0.1)
    assert figures["gap_mean_m"]["interval_95"] is None
