"""From Gymnasium's spaces to a robot's specs, and from actions and observations to and fro."""

from typing import Any, cast

import numpy as np
from gymnasium import spaces

from bridge.arrays import AnyArray
from bridge.errors import ConfigError
from bridge.specs import ActionSpec, ArraySpec, ObservationSpec, RobotSpec

LAST_ACTION = "last_action"
_CHANNELS = (1, 3, 4)
_WAIVED = {
    "max_acceleration": "an environment's action is any quantity, a torque as well as a place",
    "max_jerk": "an environment's action is any quantity, a torque as well as a place",
    "workspace": "an environment names no dimension of its action as a place",
    "gripper": "an environment names no dimension of its action as a gripper",
}

ActionSpace = spaces.Box | spaces.Discrete


def checked_actions(space: spaces.Space[Any], env_id: str) -> ActionSpace:
    """The action space, if a robot with limits can be made of it.

    Raises:
        ConfigError: Another kind of space, or one without limits.
    """
    if isinstance(space, spaces.Box):
        low, high = space.low, space.high
        if np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all():
            return space
        raise ConfigError(
            f"{env_id} takes actions without limits ({space}). A robot without limits is refused: "
            "wrap the environment in gymnasium.wrappers.RescaleAction or ClipAction."
        )
    if isinstance(space, spaces.Discrete) and space.n > 1:
        return space
    raise ConfigError(f"{env_id} takes {space} as actions; a robot needs Box or Discrete (n ≥ 2).")


def make_robot_spec(
    observed: spaces.Space[Any], actions: ActionSpace, rate_hz: float, env_id: str
) -> RobotSpec:
    """What the environment declares as a robot that takes `rate_hz` actions a second [Hz].

    Raises:
        ConfigError: It shows something that is neither numbers nor an image.
    """
    leaves = leaves_of(observed, None)
    for name, space, _ in leaves:
        if not isinstance(space, spaces.Box | spaces.Discrete):
            raise ConfigError(f"{env_id} shows {name!r} as {space}; a robot needs Box or Discrete.")
    action = make_action_spec(actions, rate_hz)
    return RobotSpec(
        observation=ObservationSpec(
            images=tuple(
                ArraySpec(name=name, shape=_shape(space), dtype="uint8")
                for name, space, _ in leaves
                if is_image(space)
            ),
            proprioception=(
                ArraySpec(name=LAST_ACTION, shape=(action.width,)),
                *(
                    ArraySpec(name=name, shape=_shape(space))
                    for name, space, _ in leaves
                    if not is_image(space)
                ),
            ),
        ),
        action=action,
        command_rate_hz=rate_hz,
        hold="is given the action nearest to zero",
        rest_action=tuple(float(number) for number in resting_action(actions)),
    )


def make_action_spec(space: ActionSpace, rate_hz: float) -> ActionSpec:
    """The limits of an action, flattened to one dimension."""
    if isinstance(space, spaces.Box):
        low = space.low.astype(np.float64).ravel()
        high = space.high.astype(np.float64).ravel()
    else:
        low = np.array([float(space.start)])
        high = low + float(space.n) - 1.0
    width = low.size
    return ActionSpec(
        names=tuple(f"action_{index}" for index in range(width)),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        units=("",) * width,
        # An environment has no speed limit: the whole range within one step.
        max_speed=tuple(((high - low) * max(rate_hz, 1000.0)).tolist()),
        control_rate_hz=rate_hz,
        waived=dict(_WAIVED),
    )


def resting_action(space: ActionSpace) -> AnyArray:
    """What an episode begins with: zero, or what is nearest to it."""
    spec = make_action_spec(space, 1.0)
    return np.clip(np.zeros(spec.width), spec.low, spec.high)


def to_env(space: ActionSpace, action: AnyArray) -> Any:  # noqa: ANN401  # As the space has it.
    """An action [A] as the environment takes it: in its shape, or as a whole number."""
    if isinstance(space, spaces.Discrete):
        return int(np.clip(round(float(action[0])), space.start, space.start + space.n - 1))
    shaped = action.reshape(space.shape)
    return np.clip(shaped, space.low, space.high).astype(cast("np.dtype[Any]", space.dtype))


def leaves_of(
    space: spaces.Space[Any],
    value: Any,  # noqa: ANN401  # As the space has it.
    name: str = "",
) -> list[tuple[str, spaces.Space[Any], Any]]:
    """The entries of an observation by name, nested ones as `outer.inner`, and their values."""
    if not isinstance(space, spaces.Dict):
        return [(name or ("image" if is_image(space) else "state"), space, value)]
    return [
        leaf
        for key, inner in space.spaces.items()
        for leaf in leaves_of(
            inner, None if value is None else value[key], f"{name}.{key}" if name else key
        )
    ]


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether this is a picture: uint8, height × width × 1, 3 or 4."""
    shape = space.shape
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and shape is not None
        and len(shape) == 3  # noqa: PLR2004  # height, width, channels
        and shape[2] in _CHANNELS
    )


def _shape(space: spaces.Space[Any]) -> tuple[int, ...]:
    return tuple(space.shape or ())
