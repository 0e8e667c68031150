"""Do the planner, the policy and the robot fit together? Asked before anything moves."""

from collections.abc import Mapping
from typing import TypeVar

from bridge.errors import ContractError
from bridge.specs import ActionSpec, ArraySpec, PlannerSpec, PolicySpec, RobotSpec

SpecT = TypeVar("SpecT", RobotSpec, PolicySpec, PlannerSpec)


def check_specs(specs: Mapping[str, object]) -> None:
    """Refuse parts that do not fit.

    Args:
        specs: What the nodes declare, by node; those without a spec may be missing.

    Raises:
        ContractError: Names the first leaf that differs, who wants what, and what there is.
    """
    robot = _only(specs, RobotSpec)
    policy = _only(specs, PolicySpec)
    planner = _only(specs, PlannerSpec)
    if robot and policy:
        _check_policy_and_robot(policy, robot)
    if robot and planner:
        _check_names("planner", "camera", planner.cameras, robot.observation.images)
    if policy and planner:
        _check_latent(policy, planner)


def _only(specs: Mapping[str, object], kind: type[SpecT]) -> SpecT | None:
    return next((spec for spec in specs.values() if isinstance(spec, kind)), None)


def _check_policy_and_robot(policy: PolicySpec, robot: RobotSpec) -> None:
    _check_names("policy", "camera", policy.cameras, robot.observation.images)
    _check_names(
        "policy", "proprioception", policy.proprioception, robot.observation.proprioception
    )
    _check_action(policy.action, robot.action)


def _check_names(
    who: str, what: str, wanted: tuple[str, ...], present: tuple[ArraySpec, ...]
) -> None:
    names = sorted(spec.name for spec in present)
    for name in wanted:
        if name not in names:
            raise ContractError(
                leaf=f"robot {what} {name!r}, which the {who} needs",
                expected="the robot to have it",
                got=f"only {names}" if names else "none",
            )


def _check_action(policy: ActionSpec, robot: ActionSpec) -> None:
    """Compare what the numbers mean; bounds and speeds are the safety filter's business."""
    for field in ("names", "units", "frame", "mode"):
        given, wanted = getattr(policy, field), getattr(robot, field)
        if given != wanted:
            raise ContractError(
                leaf=f"policy action {field}", expected=f"{wanted} (the robot's)", got=given
            )


def _check_latent(policy: PolicySpec, planner: PlannerSpec) -> None:
    if policy.latent is None or policy.latent == planner.latent:
        return
    raise ContractError(
        leaf="planner latent", expected=f"{policy.latent} (the policy's)", got=planner.latent
    )
