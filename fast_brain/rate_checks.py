"""Do the rates fit? Asked when the nodes start, with the numbers of both sides."""

from bridge.errors import ConfigError
from bridge.specs import PolicySpec, RobotSpec


def check_chunk_rate(policy: PolicySpec, policy_rate_hz: float) -> None:
    """Refuse a policy whose chunk is over before its next one can come: the loop would starve.

    Raises:
        ConfigError: Says how long a chunk lasts, and how often the policy is asked.
    """
    lasts_s, period_s = policy.horizon * policy.step_s, 1.0 / policy_rate_hz
    if lasts_s < period_s:
        raise ConfigError(
            f"The policy's chunk lasts {lasts_s:g} s ({policy.horizon} actions, "
            f"{policy.step_s:g} s apart), but fast_brain.policy_rate_hz is {policy_rate_hz:g} Hz, "
            f"a chunk every {period_s:g} s. Ask it at least {1 / lasts_s:.3g} times a second."
        )


def check_control_rate(robot: RobotSpec, control_rate_hz: float) -> None:
    """Refuse a rate at which the robot's actions mean something else.

    Absolute targets mean the same at every rate; steps that are added make a motion as fast as they
    are sent.

    Raises:
        ConfigError: Says both rates.
    """
    if robot.action.mode == "delta" and control_rate_hz != robot.action.control_rate_hz:
        raise ConfigError(
            f"The robot's actions are steps, made for {robot.action.control_rate_hz:g} Hz, but "
            f"fast_brain.control_rate_hz is {control_rate_hz:g} Hz, so that it would move "
            f"{control_rate_hz / robot.action.control_rate_hz:.3g} times as fast. "
            f"Set fast_brain.control_rate_hz={robot.action.control_rate_hz:g}"
        )
