"""Settings of the monitors and of how they are combined; units stand in the names."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class MonitorConfig(BaseModel):
    """One monitor: its plug-in and its options. With `alone` its word is enough for a verdict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    options: dict[str, Any] = Field(default_factory=dict[str, Any])
    alone: bool = False


class MonitoringConfig(BaseModel):
    """Which monitors watch, and how many must agree.

    A subtask is done, or has failed, when `done_votes` or `failed_votes` of them have said so
    within `vote_lasts_s` [s], or one that may decide alone; done wins over failed. One is enough
    to ask the planner to look again. They are asked `rate_hz` times a second. A look that takes
    longer than `look_limit_s` [s] is blamed, and a monitor that fails `failures_allowed` times in
    a row is left out for the rest of the run.

    The planner's own verdict ends a subtask by itself, after `slow_brain.done_confirmations`. With
    `verdict_is_a_vote` it does not: name the monitor `planner_verdict`, and it is one vote.

    Only with `may_ask_simulator` may a monitor decide by what no robot can see.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: tuple[MonitorConfig, ...] = ()
    done_votes: int = Field(default=1, ge=1)
    failed_votes: int = Field(default=1, ge=1)
    vote_lasts_s: float = Field(default=5.0, gt=0)
    rate_hz: float = Field(default=10.0, gt=0, le=200)
    look_limit_s: float = Field(default=0.05, gt=0)
    failures_allowed: int = Field(default=3, ge=0)
    verdict_is_a_vote: bool = False
    may_ask_simulator: bool = False
