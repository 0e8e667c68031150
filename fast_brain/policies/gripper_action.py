"""The action both the shipped policy and the shipped arm speak: an absolute gripper target."""

from bridge.specs import ActionSpec


def gripper_action_spec() -> ActionSpec:
    """Return the spec of ``[x, y, z, yaw, gripper_closing]`` at 100 Hz in the base frame.

    Bounds are the benchmark's workspace. Speeds leave room for the demonstrations' fastest motion
    (0.05 m and 0.3 rad in 0.05 s along each axis; the gripper may close in one policy step).
    """
    return ActionSpec(
        names=("x", "y", "z", "yaw", "gripper_closing"),
        low=(0.25, -0.35, 0.02, -3.15, 0.0),
        high=(0.60, 0.35, 0.35, 3.15, 1.0),
        units=("m", "m", "m", "rad", ""),
        max_speed=(1.5, 1.5, 1.5, 8.0, 25.0),
        control_rate_hz=100.0,
        frame="base",
        mode="absolute",
    )
