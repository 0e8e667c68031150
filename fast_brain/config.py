"""Settings of the fast brain and of the robot it drives; units stand in the names."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


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

    The degradation ladder, by the age of the newest latent: past `stale_after_s` the policy gets
    the subtask's text without latents, past `hold_after_s` the robot holds. A control loop that
    is silent for `dead_man_s` is taken for dead, and the robot stops. An observation older than
    `observation_limit_s` is as good as none.

    `target_proprioception` names the reading that tells the robot's present target as an action;
    the speed limit of the first command after a pause counts from it. A robot without it has no
    speed limit on its very first command.

    `mode` "flat" runs the policy on the goal's text alone, with an empty memory.

    `realtime_priority` is of SCHED_FIFO, 1 to 99, and 0 leaves it; where the kernel refuses,
    `nice` is asked for instead. `cpu` pins the control process to one core; None leaves it free.
    `final_spin_us` [µs] before each deadline the loop stops sleeping and watches the clock: more
    exact, for that share of a core.
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
    stale_after_s: float = Field(default=5.0, gt=0)
    hold_after_s: float = Field(default=10.0, gt=0)
    observation_limit_s: float = Field(default=0.5, gt=0)
    dead_man_s: float = Field(default=0.5, gt=0)
    watchdog_rate_hz: float = Field(default=50.0, gt=0, le=1000)
    status_rate_hz: float = Field(default=10.0, gt=0)
    policy_failures_allowed: int = Field(default=10, ge=0)
    target_proprioception: str = "target_pose_in_base"
    realtime_priority: int = Field(default=20, ge=0, le=99)
    nice: int = Field(default=-10, ge=-20, le=19)
    cpu: int | None = Field(default=None, ge=0)
    final_spin_us: float = Field(default=0.0, ge=0, le=1000)

    @model_validator(mode="after")
    def _check_ladder(self) -> Self:
        """The rungs of the ladder come in order, and the dead man allows the loop a few beats."""
        if self.stale_after_s > self.hold_after_s:
            raise ValueError(
                f"stale_after_s ({self.stale_after_s} s) is above "
                f"hold_after_s ({self.hold_after_s} s)"
            )
        if self.dead_man_s * self.control_rate_hz < 2:  # noqa: PLR2004  # One beat may be late.
            raise ValueError(
                f"dead_man_s ({self.dead_man_s} s) is shorter than two beats of "
                f"control_rate_hz ({self.control_rate_hz} Hz)"
            )
        return self


class FastBrainNodeConfig(BaseModel):
    """What each node of the fast brain is given: both parts, because limits come from the robot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    robot: RobotConfig = RobotConfig()
    fast_brain: FastBrainConfig = FastBrainConfig()
