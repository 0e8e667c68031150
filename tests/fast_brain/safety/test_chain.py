import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from msgspec.structs import replace

from bridge.messages import ActionChunk, StopRequest
from bridge.specs import ActionSpec, WorkspaceBox
from fast_brain.safety import EmergencyStop, SafetyFilter
from tests.fast_brain.safety.limits import RATE_HZ, SPEC, START, action, let_through, started

WILD = npst.arrays(np.float32, 3, elements=st.floats(width=32))


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
    """Inside all limits nothing is touched, and the verdict says so."""
    wish = action(0.00005, 0.5005, 0.6)
    filtered = started().filter(wish)
    np.testing.assert_array_equal(let_through(filtered), wish)
    assert filtered.verdict.kind == "passed"
    assert filtered.verdict.changes == {}


def test_the_first_action_without_a_start_is_only_bounded() -> None:
    """With nothing to count from the first target is taken for where the robot is, inside."""
    filtered = SafetyFilter(SPEC, RATE_HZ).filter(action(0.0, 0.9, 1.05))
    SPEC.validate(let_through(filtered))
    assert filtered.verdict.changes == pytest.approx({"bounds": 0.2})
    assert (filtered.verdict.kind, filtered.verdict.reason) == ("clipped", "bounds")
    assert filtered.verdict.clipped_by == pytest.approx(0.2)


def test_the_verdict_says_which_filter_changed_how_much() -> None:
    """A wish too far and too fast names the bounds and the limits of motion, each with its part."""
    verdict = started().filter(action(0.3, 0.5, 0.5)).verdict
    assert verdict.kind == "clipped"
    assert set(verdict.changes) == {"bounds", "speed", "acceleration", "jerk"}
    assert verdict.changes["bounds"] == pytest.approx(0.2)
    assert verdict.reason == "bounds and speed and acceleration and jerk"
    # From rest in one tick: by jerk alone 100 m/s³ in (10 ms)³.
    assert verdict.clipped_by == pytest.approx(0.3 - 1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_vetoed(bad: float) -> None:
    """NaN and infinity never become an action, and do not move what motion counts from."""
    safety = started()
    filtered = safety.filter(action(0.0, bad, 0.5))
    assert filtered.action is None
    assert filtered.verdict.reason == "action with 1 of 3 values not finite"
    np.testing.assert_array_equal(safety.last_action, START)


@pytest.mark.parametrize("shape", [(2,), (4,), (1, 3), ()])
def test_a_wrong_shape_is_vetoed(shape: tuple[int, ...]) -> None:
    """An action of another width is not guessed at."""
    filtered = started().filter(np.zeros(shape, np.float32))
    assert filtered.action is None
    assert str(list(shape)) in filtered.verdict.reason


def test_whole_numbers_are_vetoed() -> None:
    """An action of integers was made for something else."""
    assert "int64" in started().filter(np.zeros(3, np.int64)).verdict.reason


def test_a_latched_stop_vetoes_everything_until_its_release() -> None:
    """While the latch is closed not even a good action passes; after the release it does."""
    latch = EmergencyStop()
    safety = SafetyFilter(SPEC, RATE_HZ, latch)
    safety.start_from(START)
    stop = StopRequest(reason="button", source="http", latched=True, stamp_ns=5)
    latch.notice([stop])
    filtered = safety.filter(START)
    assert filtered.action is None
    assert filtered.verdict.reason == "emergency stop: button"
    latch.notice([replace(stop, latched=False, stamp_ns=6)])
    assert safety.filter(START).verdict.kind == "passed"


def test_the_box_bounds_places_only() -> None:
    """The workspace narrows the dimensions it names, and says so; the others keep their bounds."""
    box = WorkspaceBox(names=("y",), low=(0.4,), high=(0.6,))
    safety = SafetyFilter(replace(SPEC, workspace=box), RATE_HZ)
    filtered = safety.filter(action(0.1, 0.65, 1.0))
    np.testing.assert_allclose(let_through(filtered), [0.1, 0.6, 1.0], rtol=1e-6)
    assert filtered.verdict.changes == pytest.approx({"workspace": 0.05})


def test_a_target_outside_is_led_back_without_a_jump() -> None:
    """A robot that was pushed out of its bounds comes back within the limits of motion."""
    safety = started(start=action(0.2, 0.5, 0.5))
    sent = [let_through(safety.filter(action(0.2, 0.5, 0.5)))[0] for _ in range(100)]
    assert sent[0] > 0.199
    assert (np.diff(sent) <= 1e-9).all()
    assert sent[-1] == pytest.approx(0.1)


def test_a_measured_target_that_is_rubbish_is_not_believed() -> None:
    """A target of nan, or of another width, leaves what motion counts from."""
    safety = started()
    safety.start_from(action(np.nan, 0.5, 0.5))
    safety.start_from(action(0.0, 0.5))
    np.testing.assert_array_equal(safety.last_action, START)


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
    safety = started()
    assert words in safety.check_chunk(_chunk(actions, step_s))
    assert safety.check_chunk(_chunk(np.zeros((4, 3)))) == ""


@given(st.lists(WILD, min_size=1, max_size=12))
def test_nothing_wild_ever_passes(wishes: list[np.ndarray]) -> None:
    """Whatever comes, NaN and huge numbers among it, what goes out is inside the exact bounds."""
    safety = started()
    for wish in wishes:
        filtered = safety.filter(wish)
        if filtered.action is None:
            assert not np.isfinite(wish).all()
            continue
        SPEC.validate(filtered.action)
        if filtered.verdict.kind == "passed":
            np.testing.assert_allclose(filtered.action, wish, rtol=2e-6, atol=2e-6)


@given(st.lists(npst.arrays(np.float32, 1, elements=st.floats(width=32)), max_size=8))
def test_deltas_are_inside_bounds_and_speed_or_vetoed(wishes: list[np.ndarray]) -> None:
    """Delta actions, NaN and infinity among them, end inside their limits or in a veto."""
    delta = ActionSpec(
        names=("x",),
        low=(-0.1,),
        high=(0.004,),
        units=("m",),
        max_speed=(1.0,),
        max_acceleration=(20.0,),
        max_jerk=(1000.0,),
        control_rate_hz=RATE_HZ,
        mode="delta",
    )
    safety, before = SafetyFilter(delta, RATE_HZ), 0.0
    for wish in wishes:
        filtered = safety.filter(wish)
        if filtered.action is None:
            assert not np.isfinite(wish).all()
            continue
        step = float(filtered.action[0])
        assert -0.01 - 1e-9 <= step <= 0.004 + 1e-9
        assert abs(step - before) <= 0.002 + 1e-9
        before = step
