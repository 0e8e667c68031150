"""Settings of the slow brain; units stand in the names."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from slow_brain.monitors.config import MonitoringConfig
from slow_brain.scene_change import SceneChangeConfig
from slow_brain.triggers import TriggersConfig


class SlowBrainConfig(BaseModel):
    """Which planner, how often it thinks, and when it must think again.

    It thinks `rate_hz` times a second while there is a goal, and at once on a new goal, a failed
    subtask or a text that was no plan. Whether there is something to do is looked at
    `poll_rate_hz` times a second; whether a person has said something, at the rate of the control
    loop. A verdict counts after it was given that often in a row:
    `done_confirmations` for a subtask, `switch_confirmations` for dropping one that is not done,
    `goal_confirmations` for the goal. A subtask fails after `subtask_timeout_s`, or sooner if the
    plan says so. Dropped and failed subtasks, and texts that were no plan, count against
    `replan_budget`; when it is spent the goal has failed. After an error the planner is left alone
    for `backoff_s`; what it says more than `thinking_limit_s` after it was asked is an error.

    Only plans pass whose steps are skills of the robot, where it declares any, and whose first step
    scores at least `least_feasibility` with the plug-in `feasibility`, if one is named; the planner
    hears why another was refused.

    `monitoring` says who else notices that a subtask is over, `triggers` how soon and how often is
    thought again, `scene_change` whether another picture is a reason to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    planner: str = "vlm"
    planner_options: dict[str, Any] = Field(default_factory=dict)
    rate_hz: float = Field(default=2.0, gt=0, le=10)
    poll_rate_hz: float = Field(default=20.0, gt=0, le=200)
    done_confirmations: int = Field(default=1, ge=1)
    switch_confirmations: int = Field(default=2, ge=1)
    goal_confirmations: int = Field(default=2, ge=1)
    subtask_timeout_s: float = Field(default=30.0, gt=0)
    replan_budget: int = Field(default=20, ge=0)
    backoff_s: float = Field(default=0.5, ge=0)
    thinking_limit_s: float = Field(default=60.0, gt=0)
    feasibility: str = ""
    least_feasibility: float = Field(default=0.5, ge=0, le=1)
    monitoring: MonitoringConfig = MonitoringConfig()
    triggers: TriggersConfig = TriggersConfig()
    scene_change: SceneChangeConfig = SceneChangeConfig()
