import pytest
from msgspec.structs import replace

from bridge.errors import ConfigError
from bridge.testing import EXAMPLE_POLICY, FakeRobot
from fast_brain.rate_checks import check_chunk_rate, check_control_rate

ROBOT = FakeRobot().spec


def test_a_chunk_that_outlasts_its_period_is_let_pass() -> None:
    """5 actions, 0.02 s apart, last exactly as long as a period at 10 Hz."""
    check_chunk_rate(EXAMPLE_POLICY, 10.0)


def test_a_chunk_that_is_over_too_early_is_refused() -> None:
    """The message says what a chunk lasts, what is asked, and the rate that would do."""
    with pytest.raises(ConfigError) as caught:
        check_chunk_rate(EXAMPLE_POLICY, 5.0)
    assert str(caught.value) == (
        "The policy's chunk lasts 0.1 s (5 actions, 0.02 s apart), but fast_brain.policy_rate_hz "
        "is 5 Hz, a chunk every 0.2 s. Ask it at least 10 times a second."
    )


def test_absolute_targets_mean_the_same_at_every_rate() -> None:
    """Nothing is said about a faster loop that sends targets."""
    check_control_rate(ROBOT, 500.0)


def test_steps_are_refused_at_another_rate() -> None:
    """Twice as many steps a second are twice the speed."""
    delta = replace(ROBOT, action=replace(ROBOT.action, mode="delta"))
    check_control_rate(delta, 50.0)
    with pytest.raises(ConfigError, match=r"made for 50 Hz.*100 Hz.*2 times as fast"):
        check_control_rate(delta, 100.0)
