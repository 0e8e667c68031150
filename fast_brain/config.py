"""Settings of the fast brain and of the robot it drives; units stand in the names."""

from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fast_brain.ladder import LadderRules

_RUNGS = ("stale_after_s", "text_after_s", "hold_after_s", "stop_after_s")


class RobotConfig(BaseModel):
    """Which robot, and how a simulated one begins.

    `kind` is an installed name, `module:Name`, or `gymnasium:<environment id>`. With a `seed` or
    `reset_options` a simulator's first episode begins by them; without, as the robot has it
    itself. World reports of a simulator come at `report_rate_hz`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "ogbench_scene"
    options: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    reset_options: dict[str, Any] = Field(default_factory=dict)
    report_rate_hz: float = Field(default=10.0, gt=0)


class FastBrainConfig(BaseModel):
    """The policy, the control loop and the watchdog.

    The degradation ladder (`fast_brain/ladder.py`), by the age of the newest latent: past
    `stale_after_s` it counts as stale, and its age tells the policy's gate; past `text_after_s`
    (None: half of the next) the policy gets the subtask's text without latents; past `hold_after_s`
    the robot holds; past `stop_after_s` (None: three times as long) it makes a controlled stop. An
    observation older than `observation_limit_s` is as good as none, and holds. The way back is open
    when all has been well for `recover_after_s` and for `recover_observations`.

    A control loop that is silent for `dead_man_s` is taken for dead, and the robot stops.

    `target_proprioception` names the reading that tells the robot's present target as an action;
    the speed limit of the first command after a pause counts from it. A robot without it has no
    speed limit on its very first command.

    `mode` "flat" runs the policy on the goal's text alone, with an empty memory.

    `realtime_priority` is of SCHED_FIFO, 1 to 99, and 0 leaves it; where the kernel refuses,
    `nice` is asked for instead. `cpu` pins the control process to one core; None leaves it free.
    `final_spin_us` [µs] before each deadline the loop stops sleeping and watches the clock, for
    that share of a core: 2 % at 100 Hz. A core sleeps the deeper the less it has to do, and this
    makes up for what it needs to wake, so that a quiet machine is not later than a busy one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: str = "flow"
    policy_options: dict[str, Any] = Field(default_factory=dict)
    policy_rate_hz: float = Field(default=5.0, gt=0, le=1000)
    control_rate_hz: float = Field(default=100.0, gt=0, le=2000)
    stitcher: str = "latest"
    stitcher_options: dict[str, Any] = Field(default_factory=dict)
    memory: str = "bank"
    memory_options: dict[str, Any] = Field(default_factory=dict)
    mode: Literal["hierarchical", "flat"] = "hierarchical"
    stale_after_s: float = Field(default=2.0, gt=0)
    text_after_s: float | None = Field(default=None, gt=0)
    hold_after_s: float = Field(default=10.0, gt=0)
    stop_after_s: float | None = Field(default=None, gt=0)
    recover_after_s: float = Field(default=0.5, ge=0)
    recover_observations: int = Field(default=3, ge=0)
    observation_limit_s: float = Field(default=0.5, gt=0)
    dead_man_s: float = Field(default=0.5, gt=0)
    watchdog_rate_hz: float = Field(default=50.0, gt=0, le=1000)
    status_rate_hz: float = Field(default=10.0, gt=0)
    policy_failures_allowed: int = Field(default=10, ge=0)
    target_proprioception: str = "target_pose_in_base"
    realtime_priority: int = Field(default=20, ge=0, le=99)
    nice: int = Field(default=-10, ge=-20, le=19)
    cpu: int | None = Field(default=None, ge=0)
    final_spin_us: float = Field(default=200.0, ge=0, le=1000)

    @model_validator(mode="after")
    def _check_ladder(self) -> Self:
        """The rungs of the ladder come in order, and the dead man allows the loop a few beats."""
        rules = self.ladder_rules()
        for lower, upper in pairwise(_RUNGS):
            earlier_s, later_s = getattr(rules, lower), getattr(rules, upper)
            if earlier_s > later_s:
                raise ValueError(f"{lower} ({earlier_s} s) is above {upper} ({later_s} s)")
        if self.dead_man_s * self.control_rate_hz < 2:  # noqa: PLR2004  # One beat may be late.
            raise ValueError(
                f"dead_man_s ({self.dead_man_s} s) is shorter than two beats of "
                f"control_rate_hz ({self.control_rate_hz} Hz)"
            )
        return self

    def ladder_rules(self) -> LadderRules:
        """The rules of the degradation ladder."""
        hold_s = self.hold_after_s
        text_s = min(max(self.stale_after_s, hold_s / 2), hold_s)
        return LadderRules(
            stale_after_s=self.stale_after_s,
            text_after_s=self.text_after_s or text_s,
            hold_after_s=hold_s,
            stop_after_s=self.stop_after_s or 3 * hold_s,
            observation_limit_s=self.observation_limit_s,
            recover_after_s=self.recover_after_s,
            recover_observations=self.recover_observations,
        )


class FastBrainNodeConfig(BaseModel):
    """What each node of the fast brain is given: both parts, because limits come from the robot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    robot: RobotConfig = RobotConfig()
    fast_brain: FastBrainConfig = FastBrainConfig()
