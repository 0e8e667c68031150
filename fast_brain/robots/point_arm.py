"""A point that flies where it is told: the smallest simulated arm, in numpy. The example to copy.

Deterministic, starts at once, and has one tiny drawn camera, so that a planner can see something.
"""

import math
from collections.abc import Mapping

import msgspec
import numpy as np

from bridge.arrays import AnyArray, FloatArray, ImageArray, frozen_array
from bridge.clock import seconds_between
from bridge.errors import ContractError, RobotFault, UnknownKeyError
from bridge.messages import Command, Observation, WorldReport
from bridge.specs import ActionSpec, ArraySpec, ObservationSpec, RobotSpec, WorkspaceBox

IMAGE_SIZE_PX = 64
# The places it can be sent to, in the base frame [m]; x is forward, y is left, z is up.
PLACES_M: Mapping[str, tuple[float, float, float]] = {
    "reach left": (0.40, 0.20, 0.20),
    "reach right": (0.40, -0.20, 0.20),
    "return home": (0.25, 0.00, 0.30),
}
_HOME = "return home"
_START_OPTIONS = ("tip_m",)
# How near the tip must be to count as there [m].
_REACHED_M = 0.02
# The tip covers this share of the way to its target in each second, as e^(-t/τ) [s].
_TIME_CONSTANT_S = 0.05
_LARGEST_START_SHIFT_M = 0.03
_COLOURS = {
    "reach left": (230, 60, 60),
    "reach right": (60, 90, 230),
    "return home": (60, 170, 80),
}
_BACKGROUND, _TIP_COLOUR = (235, 235, 230), (30, 30, 30)

_ACTION = ActionSpec(
    names=("x", "y", "z"),
    low=(0.10, -0.40, 0.05),
    high=(0.60, 0.40, 0.50),
    units=("m", "m", "m"),
    max_speed=(0.5, 0.5, 0.5),
    # From rest to full speed, or back, within 0.07 s.
    max_acceleration=(10.0, 10.0, 10.0),
    max_jerk=(500.0, 500.0, 500.0),
    workspace=WorkspaceBox(names=("x", "y", "z"), low=(0.10, -0.40, 0.05), high=(0.60, 0.40, 0.50)),
    control_rate_hz=100.0,
    frame="base",
    waived={"gripper": "a point has no fingers"},
)
_SPEC = RobotSpec(
    observation=ObservationSpec(
        images=(
            ArraySpec(
                name="front", shape=(IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3), dtype="uint8", frame="front"
            ),
        ),
        proprioception=(
            ArraySpec(name="tip_position_in_base", shape=(3,), unit="m", frame="base"),
            ArraySpec(name="target_pose_in_base", shape=(3,), unit="m", frame="base"),
        ),
    ),
    action=_ACTION,
    command_rate_hz=_ACTION.control_rate_hz,
    hold="is braked to a target, and stays there",
    skills=tuple(PLACES_M),
)


class _Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag="PointArm"):
    """All that the arm's future follows from; places in the base frame [m]."""

    tip_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    time_ns: int | None
    sequence: int
    episodes: int
    episode_id: str


class PointArm:
    """A tip in the air that follows absolute targets [x, y, z] [m] with a lag of 0.05 s.

    Meets `Robot`, `SimulatedRobot` and `RestorableRobot`. A stop keeps the tip where it is; the
    next command moves it on, because who may command is decided above.

    Args:
        seed: Moves the start a little; 0 starts exactly at home.
    """

    spec = _SPEC

    def __init__(self, *, seed: int = 0) -> None:
        self._is_connected = False
        self._sequence = 0
        self._episodes = 0
        self._time_ns: int | None = None
        self._begin(seed, None)

    def connect(self) -> None:
        """Begin to answer."""
        self._is_connected = True

    def observe(self, now_ns: int) -> Observation:
        """What the camera and the joints show at this instant.

        Raises:
            RobotFault: It is not connected.
        """
        self._refuse_if_disconnected()
        self._sequence += 1
        return Observation(
            stamp_ns=now_ns,
            sequence=self._sequence,
            images={"front": _draw(self._tip)},
            proprioception={
                "tip_position_in_base": frozen_array(self._tip, np.float32),
                "target_pose_in_base": frozen_array(self._target, np.float32),
            },
            episode_id=self._episode_id,
        )

    def command(self, command: Command) -> None:
        """Go to this target from now on.

        Raises:
            RobotFault: It is not connected, or the action is no finite target.
        """
        self._refuse_if_disconnected()
        action = command.action
        if action.shape != self._target.shape or not np.isfinite(action).all():
            raise RobotFault(f"The point arm refuses the action {action.tolist()}.")
        self._target = action.astype(np.float64)

    def stop(self, reason: str) -> None:
        """Stay at the point where the tip is now."""
        del reason
        self._target = self._tip.copy()

    def close(self) -> None:
        """Stop answering."""
        self._is_connected = False

    def advance(self, now_ns: int) -> None:
        """Move the tip towards its target by the time that has passed; the first call sets it."""
        passed_s = 0.0 if self._time_ns is None else seconds_between(self._time_ns, now_ns)
        self._time_ns = now_ns
        if passed_s > 0:
            share = 1.0 - math.exp(-passed_s / _TIME_CONSTANT_S)
            self._tip += share * (self._target - self._tip)

    def reset(self, seed: int, options: Mapping[str, object]) -> None:
        """Begin an episode.

        Args:
            seed: Moves the start a little.
            options: `tip_m`: where the tip starts [x, y, z] [m].

        Raises:
            UnknownKeyError: An option it does not know.
            ContractError: A start outside the bounds.
        """
        for name in options:
            if name not in _START_OPTIONS:
                raise UnknownKeyError(key=name, where="The point arm's start", known=_START_OPTIONS)
        self._begin(seed, options.get("tip_m"))

    def report(self) -> WorldReport:
        """Which skill is achieved, and where the tip is; success depends on the goal."""
        facts: dict[str, bool | float | str] = {
            skill: bool(np.linalg.norm(self._tip - place) <= _REACHED_M)
            for skill, place in PLACES_M.items()
        }
        facts |= {f"tip_{axis}_m": float(self._tip[index]) for index, axis in enumerate("xyz")}
        return WorldReport(facts=facts, success=None, stamp_ns=self._time_ns or 0)

    def snapshot(self) -> bytes:
        """The arm at this instant."""
        return msgspec.msgpack.encode(
            _Snapshot(
                tip_m=tuple(self._tip.tolist()),
                target_m=tuple(self._target.tolist()),
                time_ns=self._time_ns,
                sequence=self._sequence,
                episodes=self._episodes,
                episode_id=self._episode_id,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot.

        Raises:
            ContractError: The bytes are no snapshot of a point arm; nothing has changed.
        """
        try:
            found = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        except msgspec.MsgspecError as error:
            raise ContractError(
                leaf="robot snapshot", expected="one of a point_arm", got=f"{error}"
            ) from error
        self._tip, self._target = np.array(found.tip_m), np.array(found.target_m)
        self._time_ns, self._sequence = found.time_ns, found.sequence
        self._episodes, self._episode_id = found.episodes, found.episode_id

    def _begin(self, seed: int, tip_m: object) -> None:
        start: AnyArray = np.array(PLACES_M[_HOME])
        if seed:
            shift = np.random.default_rng(seed).uniform(-1, 1, 3) * _LARGEST_START_SHIFT_M
            start = start + shift
        if tip_m is not None:
            start = np.asarray(tip_m, np.float64)
            if start.shape != (3,):
                raise ContractError(leaf="start.tip_m", expected="three metres", got=tip_m)
            _ACTION.validate(start.astype(np.float32))
        self._tip: AnyArray = start.copy()
        self._target: AnyArray = start.copy()
        self._time_ns = None
        self._episodes += 1
        self._episode_id = f"point-arm-{seed}-{self._episodes}"

    def _refuse_if_disconnected(self) -> None:
        if not self._is_connected:
            raise RobotFault("The point arm is not connected: call `connect` first.")


def _draw(tip_m: AnyArray) -> ImageArray:
    """The table from above, forward up: a coloured square a place, and a dark one for the tip."""
    image = np.full((IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3), _BACKGROUND, np.uint8)
    for skill, place in PLACES_M.items():
        _mark(image, np.array(place, np.float32), _COLOURS[skill], half_px=5)
    _mark(image, tip_m.astype(np.float32), _TIP_COLOUR, half_px=2)
    return frozen_array(image)


def _mark(
    image: ImageArray, place_m: FloatArray, colour: tuple[int, int, int], *, half_px: int
) -> None:
    low, high = np.array(_ACTION.low), np.array(_ACTION.high)
    share = np.clip((place_m - low) / (high - low), 0.0, 1.0)
    row = round((1.0 - float(share[0])) * (IMAGE_SIZE_PX - 1))
    column = round((1.0 - float(share[1])) * (IMAGE_SIZE_PX - 1))
    top, left = max(0, row - half_px), max(0, column - half_px)
    image[top : row + half_px + 1, left : column + half_px + 1] = colour
