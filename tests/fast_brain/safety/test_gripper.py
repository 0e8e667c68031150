import numpy as np
import pytest
from msgspec.structs import replace

from bridge.specs import GripperLimit
from fast_brain.safety import SafetyFilter
from tests.fast_brain.safety.limits import RATE_HZ, SPEC, START, action, let_through

LIMIT = GripperLimit(dimension="grip", force_reading="pressure", max_force=20.0)


def _felt(force: object, limit: GripperLimit = LIMIT) -> SafetyFilter:
    safety = SafetyFilter(replace(SPEC, gripper=limit), RATE_HZ)
    safety.start_from(START)
    safety.feel({} if force is None else {"pressure": np.array([force], np.float32)})
    return safety


def test_a_light_touch_closes_on() -> None:
    """Below the limit the gripper closes as it is asked to."""
    assert let_through(_felt(19.9).filter(action(0.0, 0.5, 0.6)))[2] == pytest.approx(0.6)


@pytest.mark.parametrize("force", [20.0, 1e6, np.nan, np.inf, None])
def test_enough_force_closes_no_further(force: object) -> None:
    """At the limit, and when nothing or rubbish is felt, it stays as it is, and that is told."""
    filtered = _felt(force).filter(action(0.0, 0.5, 0.6))
    assert let_through(filtered)[2] == pytest.approx(0.5)
    assert filtered.verdict.changes == pytest.approx({"gripper": 0.1})


def test_opening_is_always_allowed() -> None:
    """However hard it presses, it may let go."""
    assert let_through(_felt(1e6).filter(action(0.0, 0.5, 0.4)))[2] == pytest.approx(0.4)


def test_a_gripper_may_close_downward() -> None:
    """Where a smaller number closes, the same holds the other way round."""
    downward = replace(LIMIT, closes_upward=False)
    assert let_through(_felt(99.0, downward).filter(action(0.0, 0.5, 0.4)))[2] == pytest.approx(0.5)
    assert let_through(_felt(99.0, downward).filter(action(0.0, 0.5, 0.6)))[2] == pytest.approx(0.6)
