"""What plug-ins declare about their data: shapes, units, bounds and rates, and how to check them.

Specs are compared before anything moves, and checked once per connection; the loop checks only
finiteness per command. Every check names the leaf, what was expected and what came.
"""

import math
from typing import Literal, cast

import msgspec
import numpy as np

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.errors import ContractError
from bridge.messages import Latent, Observation


class ArraySpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One named array: shape, dtype, unit, frame, and bounds that are inclusive (None: unbounded).

    `dtype` is numpy's name for it, such as "float32" or "uint8".
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    unit: str = ""
    frame: str = ""
    low: float | None = None
    high: float | None = None

    def validate(self, array: object, leaf: str = "") -> None:
        """Refuse an array that is not as declared.

        Args:
            array: What came.
            leaf: How to call it in the error; the spec's name if empty.

        Raises:
            ContractError: Wrong type, shape or dtype, a value not finite or out of bounds.
        """
        where = leaf or self.name
        if not isinstance(array, np.ndarray):
            raise ContractError(leaf=where, expected=str(self), got=type(array).__name__)
        checked = cast("AnyArray", array)
        if checked.shape != self.shape or checked.dtype != np.dtype(self.dtype):
            raise ContractError(
                leaf=where, expected=str(self), got=f"{checked.dtype}{list(checked.shape)}"
            )
        check_finite(where, checked)
        check_bounds(where, checked, self.low, self.high, self.unit)

    def example(self) -> AnyArray:
        """A read-only array that passes: zeros, moved inside the bounds."""
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        return frozen_array(np.full(self.shape, min(max(0.0, low), high), dtype=self.dtype))

    def __str__(self) -> str:
        bounds = "" if self.low is None and self.high is None else f" in [{self.low}, {self.high}]"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.dtype}{list(self.shape)}{bounds}{unit}"


class ObservationSpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The cameras and the proprioception of a robot, by name."""

    images: tuple[ArraySpec, ...] = ()
    proprioception: tuple[ArraySpec, ...] = ()

    def validate(self, observation: Observation) -> None:
        """Refuse an observation that lacks a declared array or has it wrong.

        Undeclared arrays are let pass: a robot may show more than its reader asks for.

        Raises:
            ContractError: Names the leaf, e.g. `observation.images.wrist`.
        """
        self._validate_group("images", self.images, dict(observation.images))
        self._validate_group("proprioception", self.proprioception, observation.proprioception)

    def example(self, stamp_ns: int = 0) -> Observation:
        """An observation that passes."""
        return Observation(
            stamp_ns=stamp_ns,
            sequence=0,
            images={spec.name: spec.example() for spec in self.images},
            proprioception={spec.name: spec.example() for spec in self.proprioception},
        )

    @staticmethod
    def _validate_group(
        group: str, specs: tuple[ArraySpec, ...], arrays: dict[str, AnyArray]
    ) -> None:
        for spec in specs:
            leaf = f"observation.{group}.{spec.name}"
            if spec.name not in arrays:
                raise ContractError(
                    leaf=leaf, expected=str(spec), got=f"only {sorted(arrays) or 'nothing'}"
                )
            spec.validate(arrays[spec.name], leaf)


class WorkspaceBox(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The box that the tool may not leave [m], inclusive, in the frame of the action.

    `names` are the dimensions of the action that are places.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        for field in ("low", "high"):
            if len(getattr(self, field)) != len(self.names):
                raise ContractError(
                    leaf=f"workspace.{field}",
                    expected=f"{len(self.names)}",
                    got=len(getattr(self, field)),
                )
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            check_range(f"workspace.{name}", low, high)


class GripperLimit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Which dimension of the action closes the gripper, and how hard it may press.

    At a reading of `max_force` or more, in the reading's own unit, it closes no further.
    `force_reading` names the proprioception; "" says that nothing is felt, so that only range and
    speed bound it. `closes_upward` is False where a smaller number closes.
    """

    dimension: str
    force_reading: str = ""
    max_force: float = 0.0
    closes_upward: bool = True

    def __post_init__(self) -> None:
        if self.force_reading:
            check_positive("gripper.max_force", self.max_force)


# The limits a robot may do without if it says why.
WAIVABLE_LIMITS = ("max_acceleration", "max_jerk", "workspace", "gripper")


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the numbers of an action mean, and the limits no command may pass.

    One entry per dimension in `names`, `low`, `high` [unit, inclusive], `units`, `max_speed`
    [unit/s], `max_acceleration` [unit/s²] and `max_jerk` [unit/s³]. Limits are finite: a robot
    without limits is refused. `mode` "delta" means that an action is added to the measured state;
    then the bounds are those of the step. `control_rate_hz` is how many actions the robot executes
    per second [Hz].

    A policy need not know `max_acceleration`, `max_jerk`, `workspace` and `gripper`; a robot has
    to declare each of them, or say in `waived` why it means nothing there.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    units: tuple[str, ...]
    max_speed: tuple[float, ...]
    control_rate_hz: float
    frame: str = ""
    mode: Literal["absolute", "delta"] = "absolute"
    max_acceleration: tuple[float, ...] = ()
    max_jerk: tuple[float, ...] = ()
    workspace: WorkspaceBox | None = None
    gripper: GripperLimit | None = None
    waived: dict[str, str] = {}

    def __post_init__(self) -> None:
        for field in ("low", "high", "units", "max_speed"):
            self._check_count(field)
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            check_range(f"action.{name}", low, high)
        for field in ("max_speed", "max_acceleration", "max_jerk"):
            if getattr(self, field):
                self._check_count(field)
            for name, limit in zip(self.names, getattr(self, field), strict=False):
                check_positive(f"action.{name}.{field}", limit)
        check_positive("action.control_rate_hz", self.control_rate_hz)
        self._check_waivers()
        self._check_places()

    def undeclared_limits(self) -> tuple[str, ...]:
        """The limits that a robot has to declare or waive, and that this one does neither of."""
        return tuple(
            name for name in WAIVABLE_LIMITS if not getattr(self, name) and name not in self.waived
        )

    def _check_count(self, field: str) -> None:
        count = len(getattr(self, field))
        if count != self.width:
            raise ContractError(leaf=f"action.{field}", expected=f"{self.width}", got=count)

    def _check_waivers(self) -> None:
        for name, reason in self.waived.items():
            if name not in WAIVABLE_LIMITS or getattr(self, name) or not reason.strip():
                raise ContractError(
                    leaf=f"action.waived.{name}",
                    expected=f"the reason why one of {WAIVABLE_LIMITS} is not declared",
                    got=repr(reason) if not getattr(self, name, None) else "one that is declared",
                )

    def _check_places(self) -> None:
        """The box and the gripper are of this action, and box and bounds overlap."""
        box, gripper = self.workspace, self.gripper
        for name in (*(box.names if box else ()), *((gripper.dimension,) if gripper else ())):
            if name not in self.names:
                raise ContractError(
                    leaf=f"action dimension {name!r}", expected=f"one of {self.names}", got="none"
                )
        for name, low, high in zip(box.names, box.low, box.high, strict=True) if box else ():
            index = self.names.index(name)
            least, most = max(low, self.low[index]), min(high, self.high[index])
            check_range(f"workspace.{name} within the bounds", least, most)

    @property
    def width(self) -> int:
        """Number of dimensions A."""
        return len(self.names)

    def validate(self, action: FloatArray) -> None:
        """Refuse an action [A] or a chunk of them [H, A] that is not as declared.

        Raises:
            ContractError: Wrong width or dtype, a value not finite or out of bounds.
        """
        shaped = action.ndim in (1, 2) and action.shape[-1] == self.width
        if not shaped or action.dtype != np.float32:
            raise ContractError(
                leaf="action",
                expected=f"float32[…, {self.width}]",
                got=f"{action.dtype}{list(action.shape)}",
            )
        check_finite("action", action)
        for index, name in enumerate(self.names):
            check_bounds(
                f"action.{name}",
                action[..., index],
                self.low[index],
                self.high[index],
                self.units[index],
            )


class LatentSpec(
    msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True, repr_omit_defaults=True
):
    """How many tokens a latent has and how wide they are: [N, D] perceptual, [M, D] cognitive.

    `origin` says in words whose hidden states they are, where they are not those of the very
    request that wrote the plan.
    """

    perceptual_tokens: int
    cognitive_tokens: int
    width: int
    origin: str = ""

    def __post_init__(self) -> None:
        for field in ("perceptual_tokens", "cognitive_tokens", "width"):
            check_positive(f"latent.{field}", getattr(self, field))

    def validate(self, latent: Latent) -> None:
        """Refuse a latent of another shape, or one with a value that is not finite.

        Raises:
            ContractError: Names the stream.
        """
        for stream, tokens in self.streams().items():
            spec = ArraySpec(name=f"latent.{stream}", shape=(tokens, self.width))
            spec.validate(getattr(latent, stream))

    def fits(self, other: "LatentSpec") -> bool:
        """Whether whoever takes the one can take the other, wherever they come from."""
        return self.streams() == other.streams() and self.width == other.width

    def streams(self) -> dict[str, int]:
        """Number of tokens of each stream."""
        return {"perceptual": self.perceptual_tokens, "cognitive": self.cognitive_tokens}


class PlannerSpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a planner needs and gives; `latent` is None if it sends no latents.

    `picture_px` is the side of the square pictures that it takes [px]; 0 if any will do.
    """

    latent: LatentSpec | None = None
    cameras: tuple[str, ...] = ()
    picture_px: int = 0


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a policy needs and gives: chunks of `horizon` actions, `step_s` apart [s].

    `latent` is None if it does not look at latents and so works with any planner. `picture_px` is
    the side of the square pictures that it takes [px]; 0 if any will do.
    """

    action: ActionSpec
    horizon: int
    step_s: float
    cameras: tuple[str, ...] = ()
    picture_px: int = 0
    proprioception: tuple[str, ...] = ()
    latent: LatentSpec | None = None

    def __post_init__(self) -> None:
        check_positive("policy.horizon", self.horizon)
        check_positive("policy.step_s", self.step_s)


class RobotSpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a robot senses and obeys.

    `hold` says in words what it does when it is told nothing. `skills` are the subtasks that it can
    be asked for, in the words that its policy knows: a plan with any other step is refused. Empty
    lets all pass.

    `rest_action` [A] is what it is sent while it is held: the action that means no motion, such as
    zeros for a "delta" action or a torque. None is for robots that take targets: they are braked
    to a target within their limits, and stay there.
    """

    observation: ObservationSpec
    action: ActionSpec
    command_rate_hz: float
    hold: str
    skills: tuple[str, ...] = ()
    rest_action: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_positive("robot.command_rate_hz", self.command_rate_hz)
        self._check_rest()

    def _check_rest(self) -> None:
        rest, action = self.rest_action, self.action
        if rest is None:
            return
        if len(rest) != action.width:
            raise ContractError(
                leaf="robot.rest_action", expected=f"{action.width} numbers", got=len(rest)
            )
        for name, value, low, high in zip(action.names, rest, action.low, action.high, strict=True):
            if not low <= value <= high:
                raise ContractError(
                    leaf=f"robot.rest_action.{name}", expected=f"within [{low}, {high}]", got=value
                )


def check_finite(leaf: str, array: AnyArray) -> None:
    """Refuse nan and inf.

    Raises:
        ContractError: Says how many values are not finite.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ContractError(
            leaf=leaf, expected="finite values", got=f"{bad} of {array.size} not finite"
        )


def check_bounds(
    leaf: str, array: AnyArray, low: float | None, high: float | None, unit: str = ""
) -> None:
    """Refuse a value outside [low, high].

    Raises:
        ContractError: Says the value farthest out.
    """
    if array.size == 0:
        return
    smallest, largest = float(array.min()), float(array.max())
    if low is not None and smallest < low:
        raise ContractError(leaf=leaf, expected=f"≥ {low} {unit}".strip(), got=f"{smallest:.6g}")
    if high is not None and largest > high:
        raise ContractError(leaf=leaf, expected=f"≤ {high} {unit}".strip(), got=f"{largest:.6g}")


def check_range(leaf: str, low: float, high: float) -> None:
    """Refuse bounds that are not finite, or between which there is nothing.

    Raises:
        ContractError: Says both.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ContractError(leaf=leaf, expected="finite low < high", got=f"[{low}, {high}]")


def check_positive(leaf: str, value: float) -> None:
    """Refuse a number that is not finite and above zero.

    Raises:
        ContractError: Says the number.
    """
    if not (math.isfinite(value) and value > 0):
        raise ContractError(leaf=leaf, expected="a finite number > 0", got=value)
