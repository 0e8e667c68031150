import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bridge.messages import ActionChunk, Verdict
from bridge.specs import ActionSpec
from fast_brain.safety import FilteredAction, SafetyFilter

RATE_HZ = 100.0
# Bounds that float32 cannot say exactly, and one that leaves zero out.
SPEC = ActionSpec(
    names=("x", "y", "grip"),
    low=(-0.1, 0.3, 0.0),
    high=(0.1, 0.7, 1.0),
    units=("m", "m", ""),
    max_speed=(0.5, 2.0, 25.0),
    control_rate_hz=RATE_HZ,
)
DELTA = ActionSpec(
    names=("x",),
    low=(-0.1,),
    high=(0.2,),
    units=("m",),
    max_speed=(1.0,),
    control_rate_hz=RATE_HZ,
    mode="delta",
)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
ACTIONS = npst.arrays(np.float32, 3, elements=FINITE)


def _passed(filtered: FilteredAction) -> tuple[np.ndarray, Verdict]:
    """What was let through; a veto fails the test."""
    assert filtered.action is not None, filtered.verdict
    return filtered.action, filtered.verdict


def _action(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def _chunk(actions: np.ndarray, step_s: float = 0.05) -> ActionChunk:
    return ActionChunk(
        actions=actions,
        start_stamp_ns=0,
        step_s=step_s,
        sequence=0,
        observation_sequence=0,
        observation_stamp_ns=0,
    )


def test_a_good_action_passes_unchanged() -> None:
    """Inside bounds and speed nothing is touched."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    safety.start_from(_action(0.0, 0.5, 0.5))
    action, verdict = safety.filter(_action(0.004, 0.51, 0.6))
    np.testing.assert_array_equal(action, _action(0.004, 0.51, 0.6))
    assert verdict.kind == "passed"


def test_bounds_clip_and_say_by_how_much() -> None:
    """An action out of bounds is moved to the bound, and the verdict says the largest change."""
    action, verdict = _passed(SafetyFilter(SPEC, RATE_HZ).filter(_action(0.0, 0.9, 1.05)))
    SPEC.validate(action)
    assert (verdict.kind, verdict.reason) == ("clipped", "bounds")
    assert verdict.clipped_by == pytest.approx(0.2)


def test_speed_counts_from_the_last_command() -> None:
    """Two large steps in a row move by one allowed step each."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    safety.start_from(_action(0.0, 0.5, 0.5))
    first, verdict = _passed(safety.filter(_action(0.1, 0.5, 0.5)))
    second, _ = _passed(safety.filter(_action(0.1, 0.5, 0.5)))
    assert verdict.reason == "speed"
    assert first[0] == pytest.approx(0.005)
    assert second[0] == pytest.approx(0.010)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_vetoed(bad: float) -> None:
    """NaN and infinity never become an action, and do not move the start of the speed limit."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    safety.start_from(_action(0.0, 0.5, 0.5))
    action, verdict = safety.filter(_action(0.0, bad, 0.5))
    assert action is None
    assert verdict.kind == "vetoed"
    np.testing.assert_array_equal(safety.last_action, _action(0.0, 0.5, 0.5))


@pytest.mark.parametrize("shape", [(2,), (4,), (1, 3), ()])
def test_a_wrong_shape_is_vetoed(shape: tuple[int, ...]) -> None:
    """An action of another width is not guessed at."""
    action, verdict = SafetyFilter(SPEC, RATE_HZ).filter(np.zeros(shape, np.float32))
    assert action is None
    assert str(list(shape)) in verdict.reason


def test_a_measured_target_that_is_rubbish_is_not_believed() -> None:
    """A target of nan, or of another width, leaves the start where it was."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    safety.start_from(_action(0.0, 0.5, 0.5))
    safety.start_from(_action(np.nan, 0.5, 0.5))
    safety.start_from(_action(0.0, 0.5))
    np.testing.assert_array_equal(safety.last_action, _action(0.0, 0.5, 0.5))


def test_a_delta_is_its_own_step() -> None:
    """A delta action is limited by speed from zero, not from the delta before."""
    safety = SafetyFilter(DELTA, RATE_HZ)
    for _ in range(3):
        action, verdict = _passed(safety.filter(_action(0.1)))
        assert action[0] == pytest.approx(0.01)
        assert verdict.reason == "speed"


@pytest.mark.parametrize(
    ("actions", "step_s", "words"),
    [
        (np.zeros((4, 2)), 0.05, "shape [4, 2]"),
        (np.zeros((0, 3)), 0.05, "shape [0, 3]"),
        (np.zeros(3), 0.05, "shape [3]"),
        (np.full((4, 3), np.nan), 0.05, "12 of 12"),
        (np.zeros((4, 3)), 0.0, "step of 0.0 s"),
        (np.zeros((4, 3)), np.nan, "step of nan s"),
    ],
)
def test_a_malformed_chunk_is_named(actions: np.ndarray, step_s: float, words: str) -> None:
    """A chunk that cannot be judged row by row is refused as a whole, in words."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    assert words in safety.check_chunk(_chunk(actions, step_s))
    assert safety.check_chunk(_chunk(np.zeros((4, 3)))) == ""


@given(ACTIONS, st.lists(ACTIONS, min_size=1, max_size=8))
def test_output_is_always_inside_bounds_and_speed(
    start: np.ndarray, wanted: list[np.ndarray]
) -> None:
    """Whatever comes in, what goes out is inside the exact bounds and one step from the last."""
    safety = SafetyFilter(SPEC, RATE_HZ)
    safety.start_from(start)
    last = safety.last_action
    for wish in wanted:
        action, verdict = _passed(safety.filter(wish))
        assert last is not None
        SPEC.validate(action)
        step = np.abs(action.astype(np.float64) - last.astype(np.float64))
        # One rounding to float32 of a number near 1.
        assert (step <= safety.max_step + 1e-7).all()
        # What passed differs by no more than the rounding of a bound.
        if verdict.kind == "passed":
            np.testing.assert_allclose(action, wish, rtol=1e-6, atol=1e-6)
        last = action


@given(ACTIONS, ACTIONS)
def test_filtering_twice_changes_nothing(start: np.ndarray, wish: np.ndarray) -> None:
    """The filter's output, filtered from the same start, is the same."""
    once = SafetyFilter(SPEC, RATE_HZ)
    once.start_from(start)
    first, _ = _passed(once.filter(wish))
    again = SafetyFilter(SPEC, RATE_HZ)
    again.start_from(start)
    second, verdict = _passed(again.filter(first))
    np.testing.assert_array_equal(first, second)
    assert verdict.kind == "passed"


@given(st.lists(npst.arrays(np.float32, 1, elements=st.floats(width=32)), max_size=8))
def test_deltas_are_inside_bounds_and_speed_or_vetoed(wanted: list[np.ndarray]) -> None:
    """Delta actions, nan and infinity among them, end in bounds or in a veto."""
    safety = SafetyFilter(DELTA, RATE_HZ)
    for wish in wanted:
        action, verdict = safety.filter(wish)
        if action is None:
            assert verdict.kind == "vetoed"
            assert not np.isfinite(wish).all()
        else:
            assert np.abs(action).max() <= 0.01 + 1e-9
