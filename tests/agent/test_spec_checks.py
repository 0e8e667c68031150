from typing import Any

import msgspec
import pytest

from agent.spec_checks import check_specs, notes_on
from bridge.errors import ContractError
from bridge.specs import (
    ActionSpec,
    ArraySpec,
    GripperLimit,
    LatentSpec,
    ObservationSpec,
    PlannerSpec,
    PolicySpec,
    RobotSpec,
)

ACTION = ActionSpec(
    names=("x_m", "grip"),
    low=(-1.0, 0.0),
    high=(1.0, 1.0),
    units=("m", ""),
    max_speed=(1.0, 2.0),
    max_acceleration=(10.0, 20.0),
    max_jerk=(100.0, 200.0),
    gripper=GripperLimit(dimension="grip"),
    control_rate_hz=100.0,
    frame="base",
    waived={"workspace": "it runs on a rail"},
)
LATENT = LatentSpec(perceptual_tokens=4, cognitive_tokens=1, width=16)
ROBOT = RobotSpec(
    observation=ObservationSpec(
        images=(ArraySpec(name="front", shape=(8, 8, 3), dtype="uint8"),),
        proprioception=(ArraySpec(name="joint_position", shape=(2,)),),
    ),
    action=ACTION,
    command_rate_hz=100.0,
    hold="keeps its pose",
)
POLICY = PolicySpec(
    action=ACTION,
    horizon=8,
    step_s=0.05,
    cameras=("front",),
    proprioception=("joint_position",),
    latent=LATENT,
)
PLANNER = PlannerSpec(latent=LATENT, cameras=("front",))


def refusal(**specs: Any) -> str:
    """What is said about parts that do not fit."""
    with pytest.raises(ContractError) as caught:
        check_specs(specs)
    return str(caught.value)


def test_parts_that_fit_are_let_pass() -> None:
    """Nothing is said about a planner, a policy and a robot made for each other."""
    check_specs({"robot": ROBOT, "planner": PLANNER, "policy": POLICY, "control": None})


def test_a_policy_without_latents_works_with_any_planner() -> None:
    """A policy that does not look at latents cannot be given wrong ones."""
    blind = msgspec.structs.replace(POLICY, latent=None)
    check_specs({"robot": ROBOT, "planner": PlannerSpec(), "policy": blind})


def test_latents_of_another_shape_are_refused() -> None:
    """The message shows both shapes."""
    wide = msgspec.structs.replace(PLANNER, latent=msgspec.structs.replace(LATENT, width=32))
    message = refusal(planner=wide, policy=POLICY)
    assert message.startswith("planner latent: expected LatentSpec(")
    assert "width=16) (the policy's), got LatentSpec(" in message


def test_a_planner_without_latents_works_with_any_policy() -> None:
    """Every policy acts on an empty memory, by the subtask's words; it is let pass, and told."""
    specs = {"planner": PlannerSpec(), "policy": POLICY}
    check_specs(specs)
    (note,) = notes_on(specs)
    assert "words alone" in note
    assert notes_on({"planner": PLANNER, "policy": POLICY}) == ()


def test_a_camera_that_the_robot_lacks_is_refused() -> None:
    """The message names the camera, who needs it, and what there is."""
    policy = msgspec.structs.replace(POLICY, cameras=("wrist",))
    assert refusal(robot=ROBOT, policy=policy) == (
        "robot camera 'wrist', which the policy needs: expected the robot to have it, "
        "got only ['front']"
    )
    planner = msgspec.structs.replace(PLANNER, cameras=("top",))
    assert "which the planner needs" in refusal(robot=ROBOT, planner=planner)


def test_proprioception_that_the_robot_lacks_is_refused() -> None:
    """What the policy wants to feel must be there."""
    policy = msgspec.structs.replace(POLICY, proprioception=("torque",))
    assert "robot proprioception 'torque'" in refusal(robot=ROBOT, policy=policy)


@pytest.mark.parametrize(
    ("field", "value"),
    [("names", ("y_m", "grip")), ("units", ("mm", "")), ("frame", "world"), ("mode", "delta")],
)
def test_actions_that_mean_something_else_are_refused(field: str, value: object) -> None:
    """Names, units, frame and mode must be the robot's; a metre is not a millimetre."""
    action = msgspec.structs.replace(ACTION, **{field: value})
    policy = msgspec.structs.replace(POLICY, action=action)
    assert refusal(robot=ROBOT, policy=policy).startswith(f"policy action {field}: expected ")


def test_narrower_bounds_are_no_mismatch() -> None:
    """A policy may use less of the robot's range than there is."""
    action = msgspec.structs.replace(ACTION, high=(0.5, 1.0))
    check_specs({"robot": ROBOT, "policy": msgspec.structs.replace(POLICY, action=action)})


@pytest.mark.parametrize("field", ["max_acceleration", "max_jerk", "gripper", "waived"])
def test_a_robot_without_a_limit_is_refused(field: str) -> None:
    """The message names the limit that is missing, and how to declare it or to do without."""
    nothing: dict[str, Any] = {"gripper": None, "waived": {}}
    bare = msgspec.structs.replace(ACTION, **{field: nothing.get(field, ())})
    missing = "workspace" if field == "waived" else field
    assert refusal(robot=msgspec.structs.replace(ROBOT, action=bare)) == (
        f"robot action limits: expected {missing} in its ActionSpec, or in `waived` with the "
        "reason, got none for x_m, grip"
    )


def test_a_limit_that_means_nothing_can_be_waived_with_a_reason() -> None:
    """A robot that says why it has no gripper is let pass."""
    waived = {**ACTION.waived, "gripper": "it has no fingers"}
    free = msgspec.structs.replace(ACTION, gripper=None, waived=waived)
    check_specs({"robot": msgspec.structs.replace(ROBOT, action=free)})


def test_deltas_need_an_action_that_rests() -> None:
    """A robot that adds its actions up must say which of them means to stay."""
    delta = msgspec.structs.replace(ROBOT, action=msgspec.structs.replace(ACTION, mode="delta"))
    assert "rest_action" in refusal(robot=delta)
    check_specs({"robot": msgspec.structs.replace(delta, rest_action=(0.0, 0.0))})
