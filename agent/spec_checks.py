"""Do the planner, the policy and the robot fit together? Asked before anything moves."""

from collections.abc import Mapping
from typing import TypeVar

from agent.logs import get_logger
from bridge.errors import ContractError
from bridge.specs import ActionSpec, ArraySpec, PlannerSpec, PolicySpec, RobotSpec

_WORDS_ALONE = (
    "The planner sends no latents: the policy, which takes some, goes by the subtask's words alone."
)
_log = get_logger("specs")
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
    if robot:
        check_limits(robot)
    if robot and policy:
        _check_policy_and_robot(policy, robot)
    if robot and planner:
        _check_cameras("planner", planner, robot)
    if policy and planner:
        _check_latent(policy, planner)
    for note in notes_on(specs):
        _log.warning("parts_fit", but=note)


def notes_on(specs: Mapping[str, object]) -> tuple[str, ...]:
    """What a person should know about parts that fit."""
    policy, planner = _only(specs, PolicySpec), _only(specs, PlannerSpec)
    if policy and planner and policy.latent and planner.latent is None:
        return (_WORDS_ALONE,)
    return ()


def check_limits(robot: RobotSpec) -> None:
    """Refuse a robot that does not say how fast, how hard and how far it may move.

    Raises:
        ContractError: Names each limit that is missing, and how to declare or to waive it.
    """
    missing = robot.action.undeclared_limits()
    if missing:
        raise ContractError(
            leaf="robot action limits",
            expected=f"{', '.join(missing)} in its ActionSpec, or in `waived` with the reason",
            got=f"none for {', '.join(robot.action.names)}",
        )
    if robot.action.mode == "delta" and robot.rest_action is None:
        raise ContractError(
            leaf="robot rest_action",
            expected="the action that means no motion, because its actions are deltas",
            got=None,
        )


def _only(specs: Mapping[str, object], kind: type[SpecT]) -> SpecT | None:
    return next((spec for spec in specs.values() if isinstance(spec, kind)), None)


def _check_policy_and_robot(policy: PolicySpec, robot: RobotSpec) -> None:
    _check_cameras("policy", policy, robot)
    _check_names(
        "policy", "proprioception", policy.proprioception, robot.observation.proprioception
    )
    _check_action(policy.action, robot.action)


def _check_cameras(who: str, reader: PlannerSpec | PolicySpec, robot: RobotSpec) -> None:
    images, size = robot.observation.images, reader.picture_px
    _check_names(who, "camera", reader.cameras, images)
    for image in images:
        if size and image.name in reader.cameras and image.shape[:2] != (size, size):
            raise ContractError(
                leaf=f"robot camera {image.name!r}",
                expected=f"{size} x {size} pixels (the {who}'s)",
                got=f"{image.shape[1]} x {image.shape[0]}",
            )


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
    if policy.latent is None or planner.latent is None or planner.latent.fits(policy.latent):
        return
    raise ContractError(
        leaf="planner latent", expected=f"{policy.latent} (the policy's)", got=planner.latent
    )
