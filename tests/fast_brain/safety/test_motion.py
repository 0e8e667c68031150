from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec.structs import replace

from fast_brain.policies.gripper_action import gripper_action_spec
from fast_brain.safety import SafetyFilter
from fast_brain.safety.bounds import dimension_bounds
from fast_brain.safety.motion import MotionFilter
from tests.fast_brain.safety.limits import (
    RATE_HZ,
    SPEC,
    START,
    action,
    check_motion,
    let_through,
    started,
)

FAR = npst.arrays(np.float32, 3, elements=st.floats(-1.5, 1.5, width=32))
# Each example plays hundreds of ticks.
FEWER = settings(max_examples=40)
# A wish, and for how many ticks it stays.
WISHES = st.lists(st.tuples(FAR, st.integers(1, 12)), min_size=1, max_size=12)


def _play(safety: SafetyFilter, wishes: list[tuple[np.ndarray, int]]) -> list[np.ndarray]:
    return [let_through(safety.filter(wish)) for wish, ticks in wishes for _ in range(ticks)]


def _braked(safety: SafetyFilter) -> list[np.ndarray]:
    """All that is sent until the robot rests; there is a limit to how long that takes."""
    sent: list[np.ndarray] = []
    for _ in range(1000):
        brake = safety.brake()
        if brake is None:
            return sent
        sent.append(brake)
    raise AssertionError("not at rest after 10 s")


@FEWER
@given(WISHES)
def test_all_limits_hold_at_once(wishes: list[tuple[np.ndarray, int]]) -> None:
    """Bounds, speed, acceleration and jerk hold in every tick, whatever is asked for."""
    sent = _play(started(), wishes)
    for one in sent:
        SPEC.validate(one)
    check_motion(sent, START)


@FEWER
@given(WISHES)
def test_it_can_always_stop_inside_the_bounds(wishes: list[tuple[np.ndarray, int]]) -> None:
    """From wherever it was led, braking keeps every limit and ends at rest inside the bounds."""
    safety = started()
    sent = _play(safety, wishes)
    sent += _braked(safety)
    for one in sent:
        SPEC.validate(one)
    check_motion(sent, START)
    assert safety.is_at_rest


@FEWER
@given(WISHES, FAR)
def test_a_wish_lies_between_stopping_and_asking(
    wishes: list[tuple[np.ndarray, int]], wish: np.ndarray
) -> None:
    """What is sent is never past both the path to rest and what was asked for: nothing is added."""
    safety, twin = started(), started()
    _play(safety, wishes)
    _play(twin, wishes)
    path = np.array([twin.last_action, *_braked(twin)])
    asked = np.clip(wish, SPEC.low, SPEC.high)
    sent = let_through(safety.filter(wish))
    assert (sent >= np.minimum(path.min(axis=0), asked) - 1e-6).all()
    assert (sent <= np.maximum(path.max(axis=0), asked) + 1e-6).all()


@FEWER
@given(FAR)
def test_a_wish_that_stands_still_is_reached_and_not_passed(wish: np.ndarray) -> None:
    """From rest the robot stays between its start and the wish, and comes to rest there."""
    safety, asked = started(), np.clip(wish, SPEC.low, SPEC.high)
    sent = np.array(_play(safety, [(wish, 150)]))
    # What one tick's jerk may add up to counts as the beginning of a movement.
    spare = np.array(SPEC.max_jerk) / RATE_HZ**3
    assert (sent >= np.minimum(START, asked) - spare).all()
    assert (sent <= np.maximum(START, asked) + spare).all()
    np.testing.assert_allclose(sent[-1], asked, atol=1e-6)
    assert safety.is_at_rest


@FEWER
@given(FAR)
def test_what_was_let_through_passes_again(wish: np.ndarray) -> None:
    """The first answer, asked for from the same rest, is answered with itself."""
    asked = np.clip(wish, SPEC.low, SPEC.high).astype(np.float64)
    answers: list[np.ndarray] = [asked]
    for _ in range(2):
        motion = MotionFilter(SPEC, RATE_HZ, dimension_bounds(SPEC))
        motion.start_from(START)
        answers.append(motion.follow(answers[-1]).action)
    np.testing.assert_allclose(answers[2], answers[1], rtol=0, atol=1e-9)


@FEWER
@given(st.integers(40, 200), npst.arrays(np.float32, 3, elements=st.floats(-1, 1, width=32)))
def test_motion_within_the_limits_passes_untouched(ticks: int, share: np.ndarray) -> None:
    """A wish that moves as smoothly as the robot may, with room to stop, is followed exactly."""
    goal = np.clip(START + share * np.array([0.08, 0.16, 0.4], np.float32), SPEC.low, SPEC.high)
    time = np.linspace(0, 1, ticks)[:, None]
    # Minimum jerk, from rest to rest; slowed down until the limits allow it.
    path = START + (goal - START) * (10 * time**3 - 15 * time**4 + 6 * time**5)
    orders = enumerate(("max_speed", "max_acceleration", "max_jerk"), start=1)
    excess = max(
        float(
            (
                np.abs(np.diff(path, order, axis=0)).max(axis=0, initial=0.0)
                * RATE_HZ**order
                / np.array(getattr(SPEC, name))
            ).max()
        )
        ** (1 / order)
        for order, name in orders
    )
    if excess > 0.8:
        return
    safety = started()
    for wish in path:
        filtered = safety.filter(wish)
        assert filtered.verdict.kind == "passed", filtered.verdict
        np.testing.assert_allclose(let_through(filtered), wish, atol=1e-6)


def test_a_bound_is_braked_for_in_time() -> None:
    """Driven at full speed at a bound, it slows down before and stops at it."""
    safety = started()
    sent = np.array(_play(safety, [(action(0.1, 0.5, 0.5), 200)]))[:, 0]
    steps = np.diff(sent)
    assert steps.max() > 0.003
    assert sent.max() <= 0.1
    assert sent[-1] == pytest.approx(0.1)


def test_a_jerk_of_the_wish_is_told_by_name() -> None:
    """Within speed and acceleration, but too sudden, is the jerk's doing alone."""
    verdict = started().filter(action(0.0004, 0.5, 0.5)).verdict
    assert set(verdict.changes) == {"jerk"}


def test_room_to_stop_is_told_by_name() -> None:
    """A step that is allowed as such, but leaves no room to stop before the bound, says so."""
    safety = started(start=action(0.08, 0.5, 0.5))
    causes = set[str]()
    for tick in range(40):
        wish = action(min(0.08 + 0.00005 * tick * (tick + 1) / 2, 0.1), 0.5, 0.5)
        causes |= set(safety.filter(wish).verdict.changes)
    assert "stopping" in causes


def test_without_limits_of_acceleration_only_speed_counts() -> None:
    """A robot that waived acceleration and jerk moves at full speed at once, and stops dead."""
    waived = {"max_acceleration": "none", "max_jerk": "none"}
    spec = replace(SPEC, max_acceleration=(), max_jerk=(), waived=waived)
    safety = started(spec)
    sent = [let_through(safety.filter(action(0.02, 0.5, 0.5)))[0] for _ in range(5)]
    np.testing.assert_allclose(sent, [0.005, 0.01, 0.015, 0.02, 0.02], atol=1e-7)


@FEWER
@given(st.lists(npst.arrays(np.float32, 5, elements=st.floats(0, 1, width=32)), min_size=2))
def test_the_shipped_arm_follows_straight_lines_between_rows(shares: list[np.ndarray]) -> None:
    """Rows 50 ms apart, joined by lines as in the demonstrations, pass up to 0.7 m/s a turn."""
    spec = gripper_action_spec()
    middle = (np.array(spec.low) + np.array(spec.high)) / 2
    reach = np.array([0.0175, 0.0175, 0.0175, 0.15, 0.0])
    rows = np.array([middle + reach * (2 * share - 1) for share in shares])
    safety = SafetyFilter(spec, RATE_HZ)
    safety.start_from(rows[0])
    for before, after in pairwise(rows):
        for share in np.arange(1, 6) / 5:
            wish = before + (after - before) * share
            assert safety.filter(wish).verdict.kind == "passed"
