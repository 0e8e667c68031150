"""What the tests of the safety filter share: specs, and how to measure what was sent."""

import numpy as np

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
    max_acceleration=(5.0, 40.0, 4000.0),
    max_jerk=(100.0, 2000.0, 800e3),
    control_rate_hz=RATE_HZ,
)
START = np.array([0.0, 0.5, 0.5], np.float32)
# A number near 1 is sent as float32: half of its last digit, in each of two, four and eight terms.
FLOAT32 = 6e-8


def action(*values: float) -> np.ndarray:
    """An action as a policy has it."""
    return np.array(values, np.float32)


def started(spec: ActionSpec = SPEC, start: np.ndarray = START) -> SafetyFilter:
    """A filter of a robot that rests at `start`."""
    safety = SafetyFilter(spec, RATE_HZ)
    safety.start_from(start)
    return safety


def let_through(filtered: FilteredAction) -> np.ndarray:
    """What was let through; a veto fails the test."""
    assert filtered.action is not None, filtered.verdict
    return filtered.action


def check_motion(sent: list[np.ndarray], start: np.ndarray, spec: ActionSpec = SPEC) -> None:
    """Fail unless speed, acceleration and jerk of what was sent from rest keep their limits."""
    still = [start.astype(np.float64)] * 3
    positions = np.array([*still, *(one.astype(np.float64) for one in sent)])
    # Rounded to float32, each difference is off by up to twice as much as the one before.
    for order, name in enumerate(("max_speed", "max_acceleration", "max_jerk"), start=1):
        limits = np.array(getattr(spec, name)) / RATE_HZ**order
        steps = np.abs(np.diff(positions, order, axis=0))
        assert (steps <= limits * (1 + 1e-6) + 2**order * FLOAT32).all(), name
