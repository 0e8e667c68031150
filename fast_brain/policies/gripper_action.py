"""The action both the shipped policy and the shipped arm speak: an absolute gripper target."""

from bridge.specs import ActionSpec, GripperLimit, WorkspaceBox


def gripper_action_spec() -> ActionSpec:
    """Return the spec of ``[x, y, z, yaw, gripper_closing]`` at 100 Hz in the base frame.

    Bounds and box are the benchmark's workspace. The limits of motion are those of set-points, not
    of the arm, whose own controller smooths them: the demonstrations join rows 50 ms apart by
    straight lines, so that all of a change of speed falls into one tick of 10 ms. Of 163,000 such
    changes 99.9 % are below 1.2, 1.2 and 1.9 m/s and 11.5 rad/s; the limits allow 2 m/s and
    14 rad/s in one tick, there and back in two. The gripper closes within one row, 20 a second,
    and may turn round.

    Its force is not limited: the contact reading is cut off at 50 N, and a normal grasp reaches it.
    """
    return ActionSpec(
        names=("x", "y", "z", "yaw", "gripper_closing"),
        low=(0.25, -0.35, 0.02, -3.15, 0.0),
        high=(0.60, 0.35, 0.35, 3.15, 1.0),
        units=("m", "m", "m", "rad", ""),
        max_speed=(1.5, 1.5, 1.75, 12.0, 25.0),
        max_acceleration=(200.0, 200.0, 200.0, 1400.0, 4000.0),
        max_jerk=(30e3, 30e3, 30e3, 200e3, 800e3),
        workspace=WorkspaceBox(
            names=("x", "y", "z"), low=(0.25, -0.35, 0.02), high=(0.60, 0.35, 0.35)
        ),
        gripper=GripperLimit(dimension="gripper_closing"),
        control_rate_hz=100.0,
        frame="base",
        mode="absolute",
    )
