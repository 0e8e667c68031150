"""Delays: a demonstration told as if the arm had been slower, and nothing had been missed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.training.delays import LONGEST_WAIT_S, Delay, Delays
from fast_brain.training.frames import Frames
from tests.fast_brain.training.example_frames import frames_of


@pytest.fixture
def frames() -> Frames:
    """Two segments of 30 rows; the arm waits, acts, waits; then it acts."""
    return frames_of(["w" * 10 + "a" * 10 + "w" * 10, "a" * 30])


def _draws(frames: Frames, row: int) -> list[Delay]:
    delays, random = Delays(frames), np.random.default_rng(0)
    return [delays.draw(row, random) for _ in range(400)]


def test_nothing_is_late_before_the_arm_has_acted(frames: Frames) -> None:
    """Who waits for a light is not told that it went by."""
    assert set(_draws(frames, 5)) == {Delay()}


def test_only_what_the_arm_did_is_late(frames: Frames) -> None:
    """What was to be seen before the first act stays when it was; each later act may be late."""
    drawn = _draws(frames, 40)
    late = [delay for delay in drawn if delay.by_s]
    assert {delay.since_s for delay in late} == {0.5, 1.5}
    assert 0.3 < len(late) / len(drawn) < 0.5
    assert max(delay.by_s for delay in late) > 30
    assert not any(delay.wait_s for delay in drawn)


def test_a_wait_after_an_act_may_be_longer(frames: Frames) -> None:
    """While the arm waits for the next step, time alone goes by."""
    waits_s = [delay.wait_s for delay in _draws(frames, 25)]
    assert 0.2 < np.mean(np.array(waits_s) > 0) < 0.4
    assert LONGEST_WAIT_S / 2 < max(waits_s) <= LONGEST_WAIT_S


@given(
    times_s=st.lists(st.floats(0, 60), min_size=1, max_size=12).map(sorted),
    age_s=st.floats(0, 5),
    delay=st.builds(Delay, st.floats(0, 60), st.floats(0, 60), st.floats(0, 3)),
)
def test_a_delay_keeps_the_order_of_what_was_seen(
    times_s: list[float], age_s: float, delay: Delay
) -> None:
    """Nothing is from the future, nothing overtakes, the newest is older by the wait only."""
    now_s = times_s[-1] + age_s
    elapsed_s = delay.elapsed_s(now_s, np.array(times_s))
    assert (elapsed_s >= 0).all()
    assert (np.diff(elapsed_s) <= 1e-9).all()
    assert elapsed_s[-1] == pytest.approx(age_s + delay.wait_s, abs=1e-9)
    seen_s = delay.later(now_s) - elapsed_s
    early = np.array(times_s[:-1]) < delay.since_s
    assert seen_s[:-1][early] == pytest.approx(np.array(times_s[:-1])[early], abs=1e-9)
