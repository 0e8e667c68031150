"""Any Gymnasium environment as a robot: its spaces become the specs.

Images (uint8, height × width × 1, 3 or 4) are shown as images, everything else as proprioception.
The environment is stepped at its own rate with the last action, as a robot goes on by its last
target.
"""

import difflib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import registry

from bridge.errors import ConfigError, RobotFault, UnknownNameError
from bridge.messages import Command, Observation, WorldReport
from fast_brain.robots.gymnasium_spaces import (
    LAST_ACTION,
    checked_actions,
    is_image,
    leaves_of,
    make_robot_spec,
    resting_action,
    to_env,
)

if TYPE_CHECKING:
    from bridge.arrays import AnyArray

_NS_PER_S = 1_000_000_000
_DEFAULT_RATE_HZ = 50.0
# After a pause longer than this many steps the world slips instead of rushing to catch up.
_MOST_STEPS_AT_ONCE = 20


class GymnasiumRobot:
    """A Gymnasium environment as `Robot` and `SimulatedRobot`.

    Its proprioception `last_action` is the action it goes on with. When an episode is over, or
    after `stop`, the environment stands still: until `reset`, or the next command after a stop.

    Args:
        env_id: Registered id, such as "Pendulum-v1"; `module:Id` imports the module first.
        rate_hz: Steps per second [Hz]; None takes the environment's own.
        env_options: Passed on to `gymnasium.make`.
        seed: Of the first episode.
        check: Let `gymnasium.utils.env_checker` look it over in `connect`; takes a second.
    """

    def __init__(
        self,
        *,
        env_id: str,
        rate_hz: float | None = None,
        env_options: Mapping[str, Any] | None = None,
        seed: int = 0,
        check: bool = False,
    ) -> None:
        self._env_id = env_id
        self._env = _make_env(env_id, env_options or {})
        self._actions = checked_actions(self._env.action_space, env_id)
        self._seed = seed
        self._must_check = check
        rate = _own_rate_hz(self._env) if rate_hz is None else rate_hz
        self._period_ns = round(_NS_PER_S / rate)
        self._action: AnyArray = np.zeros(0)
        self._observed: Any = None
        self._next_step_ns: int | None = None
        self._is_connected = self._is_over = self._is_stopped = False
        self._sequence = self._episodes = self._steps = 0
        self._return = 0.0
        self._episode_id = ""
        self.spec = make_robot_spec(self._env.observation_space, self._actions, rate, env_id)

    def connect(self) -> None:
        """Begin the first episode.

        Raises:
            ConfigError: It was to be checked, and does not keep Gymnasium's rules.
        """
        if self._must_check:
            _check(self._env, self._env_id)
        self._is_connected = True
        self.reset(self._seed, {})

    def observe(self, now_ns: int) -> Observation:
        """What the environment showed last.

        Raises:
            RobotFault: It is not connected.
        """
        self._refuse_if_disconnected()
        images: dict[str, AnyArray] = {}
        proprioception = {LAST_ACTION: self._action.astype(np.float32)}
        for name, space, value in leaves_of(self._env.observation_space, self._observed):
            if is_image(space):
                images[name] = np.array(value, np.uint8)
            else:
                proprioception[name] = np.array(value, np.float32).reshape(space.shape)
        self._sequence += 1
        return Observation(
            stamp_ns=now_ns,
            sequence=self._sequence,
            images=images,
            proprioception=proprioception,
            episode_id=self._episode_id,
        )

    def command(self, command: Command) -> None:
        """Go on with this action.

        Raises:
            RobotFault: It is not connected, or the action is of the wrong shape or not finite.
        """
        self._refuse_if_disconnected()
        action = command.action
        if action.shape != self._action.shape or not np.isfinite(action).all():
            raise RobotFault(f"{self._env_id} refuses the action {action.tolist()}.")
        self._action = action.astype(np.float64)
        self._is_stopped = False

    def stop(self, reason: str) -> None:
        """Let the environment's time stand still."""
        del reason
        self._is_stopped = True

    def close(self) -> None:
        """Close the environment."""
        if self._is_connected:
            self._is_connected = False
            self._env.close()

    def advance(self, now_ns: int) -> None:
        """Step the environment up to now; the first call of an episode only sets the time."""
        if self._next_step_ns is None or self._is_stopped or self._is_over:
            self._next_step_ns = now_ns + self._period_ns
            return
        most_ns = _MOST_STEPS_AT_ONCE * self._period_ns
        self._next_step_ns = max(self._next_step_ns, now_ns - most_ns)
        while self._next_step_ns <= now_ns and not self._is_over:
            self._step()
            self._next_step_ns += self._period_ns

    def reset(self, seed: int, options: Mapping[str, object]) -> None:
        """Begin an episode; the options are the environment's own.

        Raises:
            RobotFault: It is not connected.
        """
        self._refuse_if_disconnected()
        self._observed, _ = self._env.reset(seed=seed, options=dict(options))
        self._action = resting_action(self._actions)
        self._next_step_ns = None
        self._is_over = self._is_stopped = False
        self._return, self._steps = 0.0, 0
        self._episodes += 1
        self._episode_id = f"{self._env_id}-{seed}-{self._episodes}"

    def report(self) -> WorldReport:
        """The return so far, the steps, and whether the episode is over."""
        return WorldReport(
            facts={
                "return": self._return,
                "steps": float(self._steps),
                "episode_over": self._is_over,
            },
            success=None,
            stamp_ns=0 if self._next_step_ns is None else self._next_step_ns - self._period_ns,
        )

    def _step(self) -> None:
        action = to_env(self._actions, self._action)
        self._observed, reward, terminated, truncated, _ = self._env.step(action)
        self._return += float(reward)
        self._steps += 1
        self._is_over = bool(terminated or truncated)

    def _refuse_if_disconnected(self) -> None:
        if not self._is_connected:
            raise RobotFault(f"{self._env_id} is not connected: call `connect` first.")


def _make_env(env_id: str, options: Mapping[str, Any]) -> gymnasium.Env[Any, Any]:
    try:
        return gymnasium.make(env_id, **options)
    except gymnasium.error.UnregisteredEnv as error:
        # All of them would fill a page.
        near = difflib.get_close_matches(env_id, registry, n=5, cutoff=0.4)
        raise UnknownNameError(
            kind="Gymnasium environment", name=env_id, known=near or registry
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise ConfigError(f"{env_id} needs a package that is not here: {error}") from error


def _check(env: gymnasium.Env[Any, Any], env_id: str) -> None:
    from gymnasium.utils.env_checker import check_env

    try:
        check_env(env.unwrapped, skip_render_check=True)
    except Exception as error:
        # The checker raises whatever the environment raises, and bare AssertionErrors of its own.
        raise ConfigError(f"{env_id} does not keep Gymnasium's rules: {error}") from error


def _own_rate_hz(env: gymnasium.Env[Any, Any]) -> float:
    """The environment's own rate: from its time step, else from how fast it is drawn [Hz]."""
    for name in ("dt", "tau"):
        step_s = getattr(env.unwrapped, name, None)
        if isinstance(step_s, int | float) and math.isfinite(step_s) and step_s > 0:
            return 1.0 / step_s
    drawn_hz = env.metadata.get("render_fps")
    return float(drawn_hz) if drawn_hz else _DEFAULT_RATE_HZ
