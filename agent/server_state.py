"""What people and programs may know of a run, and what they may ask of it; knows no HTTP.

One writer a mailbox: goals and stops of all doors pass through here, so they are in order.
"""

import math
import uuid
from typing import Any, Literal, cast

import msgspec

from agent.config import AgentConfig
from agent.goal_history import GoalHistory, GoalRecord
from agent.runtime import Runtime
from bridge.arrays import ImageArray
from bridge.clock import seconds_between
from bridge.errors import ConfigError, UnknownGoalError
from bridge.messages import (
    Goal,
    Latent,
    NodeHealth,
    Observation,
    PauseRequest,
    PlanningStatus,
    Remark,
    StopRequest,
)
from bridge.specs import RobotSpec

LONGEST_GOAL = 500


class ServerState:
    """The run as seen from outside. Every verb returns at once; for one thread.

    `revision` grows with each verb that took effect, so that what was made of an older status is
    known to be old.
    """

    def __init__(self, runtime: Runtime, config: AgentConfig) -> None:
        self._runtime = runtime
        self._config = config
        self._goal: Goal | None = None
        self._stop: StopRequest | None = None
        self._pause: PauseRequest | None = None
        self._history = GoalHistory()
        self.revision = 0

    @property
    def config(self) -> AgentConfig:
        """The settings of the run."""
        return self._config

    @property
    def now_ns(self) -> int:
        """The run's time [ns]."""
        return self._runtime.clock.now_ns()

    def submit(self, text: str, source: str) -> Goal:
        """Give the robot a goal, in place of the one it has.

        Raises:
            UnknownGoalError: This robot's world has no such thing.
            ConfigError: A person has stopped the robot.
            RuntimeStopped: The run has ended.
        """
        words = " ".join(text.split())
        self._check_goal(words)
        stop = self._latched_stop()
        if stop is not None:
            raise ConfigError(
                f"The robot is stopped: {stop.reason}. Release it first, with the page's button, "
                'with `agent release`, or by posting {"release": true} to /release.'
            )
        goal = Goal(text=words, id=uuid.uuid4().hex[:8], source=source, stamp_ns=self.now_ns)
        self._history.look(self._runtime.read("planning"), self.now_ns)
        self._publish("goal", goal)
        self._history.begin(goal)
        self._goal = goal
        return goal

    def remark(self, text: str, source: str) -> Remark:
        """Say something about the goal under way; the planner is asked again at once.

        Raises:
            ConfigError: There is no goal under way.
            RuntimeStopped: The run has ended.
        """
        planning: PlanningStatus | None = self._runtime.read("planning")
        if planning is None or planning.phase not in ("thinking", "acting"):
            raise ConfigError("No goal is under way that a remark could be about. Give one first.")
        words = " ".join(text.split())
        remark = Remark(text=words, id=uuid.uuid4().hex[:8], source=source, stamp_ns=self.now_ns)
        self._publish("remark", remark)
        self._history.hear(remark)
        return remark

    def stop(self, reason: str, source: str) -> StopRequest:
        """Stop the robot; it stays so until `release`.

        Raises:
            RuntimeStopped: The run has ended.
        """
        return self._publish_stop(reason, source, latched=True)

    def release(self, source: str) -> StopRequest:
        """Release a stop. Some robots want more before they move again.

        Raises:
            RuntimeStopped: The run has ended.
        """
        return self._publish_stop("a person released the stop", source, latched=False)

    def pause(self, source: str, reason: str = "") -> PauseRequest:
        """Let the robot come to rest and wait: the planner too, and no time limit runs on.

        Raises:
            RuntimeStopped: The run has ended.
        """
        return self._publish_pause("paused", source, reason or "a person asked for a pause")

    def hold(self, source: str, reason: str = "") -> PauseRequest:
        """As `pause`, but the planner goes on thinking, and answers remarks.

        Raises:
            RuntimeStopped: The run has ended.
        """
        return self._publish_pause("held", source, reason or "a person asked it to hold still")

    def resume(self, source: str, reason: str = "") -> PauseRequest:
        """Let the robot go on where it was, with the same goal and subtask; releases no stop.

        Raises:
            ConfigError: Nobody has asked it to wait.
            RuntimeStopped: The run has ended.
        """
        if self._waiting() is None:
            stop = self._latched_stop()
            hint = "" if stop is None else " It is stopped: release it, with `agent release`."
            raise ConfigError(f"The robot is neither paused nor held.{hint}")
        return self._publish_pause("running", source, reason or "a person let it go on")

    def goal_history(self) -> tuple[GoalRecord, ...]:
        """The goals of this run with what became of them, the newest first; at most 50."""
        self._history.look(self._runtime.read("planning"), self.now_ns)
        return self._history.goals

    def camera_names(self) -> tuple[str, ...]:
        """The cameras whose pictures can be asked for; none before the first observation."""
        observation: Observation | None = self._runtime.read("observation")
        return tuple(observation.images) if observation else ()

    def observation_stamp_ns(self) -> int | None:
        """When the newest pictures were taken [ns]; None before the first."""
        observation: Observation | None = self._runtime.read("observation")
        return observation.stamp_ns if observation else None

    def image(self, camera: str) -> ImageArray | None:
        """The newest picture of a camera [height, width, 3], or None if there is none."""
        observation: Observation | None = self._runtime.read("observation")
        return observation.images.get(camera) if observation else None

    def latent_age_s(self) -> float | None:
        """Time since the picture was taken that the newest latent was made from [s]."""
        latent: Latent | None = self._runtime.read("latent")
        return None if latent is None else latent.age_s(self.now_ns)

    def newest(self, mailbox: str) -> Any:  # noqa: ANN401  # The mailbox's own type, or None.
        """The newest message of a mailbox; None before the first, or where there is no such one."""
        try:
            return self._runtime.read(mailbox)
        except ConfigError:
            # A graph without that node has no such mailbox.
            return None

    def action_names(self) -> tuple[str, ...]:
        """The dimensions of what the robot is sent; none before it has said so."""
        spec = self._runtime.specs.get("robot")
        return spec.action.names if isinstance(spec, RobotSpec) else ()

    def faults(self) -> tuple[tuple[int, str], ...]:
        """What fell in this run, oldest first: (stamp [ns], words)."""
        failures = (incident.failure for incident in self._runtime.incidents)
        return tuple((one.stamp_ns, f"{one.node} {one.kind}: {one.reason}") for one in failures)

    def status(self) -> dict[str, Any]:
        """Everything at once, ready for JSON: numbers that are not finite are null."""
        read = self._runtime.read
        self._history.look(read("planning"), self.now_ns)
        status = {
            "stamp_ns": self.now_ns,
            "robot": self._config.robot.kind,
            "mode": self._config.fast_brain.mode,
            "goal": _plain(self._goal),
            "planning": _planning(read("planning")),
            "loop": _plain(read("loop_status")),
            "latent_age_s": self.latent_age_s(),
            "world": _plain(read("world")),
            "health": {n: self._health(sign) for n, sign in self._runtime.health().items()},
            "cameras": list(self.camera_names()),
            "stop": _plain(self._latched_stop()),
            "pause": _plain(self._waiting()),
            "ended": self._runtime.stopped_because,
        }
        return cast("dict[str, Any]", _finite(status))

    def is_well(self) -> bool:
        """Whether the run goes on, every node is ready, and none is silent."""
        signs = self._runtime.health()
        runtime = self._config.runtime
        limits_s = {"planner": runtime.planner_hang_after_s}
        alive = [
            sign.ready and self._age_s(sign) < limits_s.get(name, runtime.hang_after_s)
            for name, sign in signs.items()
        ]
        return bool(alive) and all(alive) and not self._runtime.stopped_because

    def _check_goal(self, words: str) -> None:
        skills = self._skills()
        if not words or len(words) > LONGEST_GOAL:
            raise UnknownGoalError(text=words[:60], known=skills)
        if self._config.robot.kind == "ogbench_scene":
            from agent.worlds.scene.language import unknown_words

            if strange := unknown_words(words, with_memory=self._has_memory_skills):
                raise UnknownGoalError(
                    text=f"{words} (unknown here: {', '.join(strange)})", known=skills
                )

    def _skills(self) -> tuple[str, ...]:
        from fast_brain.robots.scene_facts import SKILLS
        from fast_brain.robots.scene_memory_skills import MEMORY_SKILLS

        if self._config.robot.kind != "ogbench_scene":
            return ()
        return MEMORY_SKILLS if self._has_memory_skills else SKILLS

    @property
    def _has_memory_skills(self) -> bool:
        """Whether the scene's robot may be asked for what wants a memory."""
        return self._config.robot.options.get("skills") == "memory"

    def _publish_stop(self, reason: str, source: str, *, latched: bool) -> StopRequest:
        request = StopRequest(reason=reason, source=source, latched=latched, stamp_ns=self.now_ns)
        self._publish("stop", request)
        self._stop = request
        return request

    def _publish_pause(
        self, mode: Literal["paused", "held", "running"], source: str, reason: str
    ) -> PauseRequest:
        now_ns = self.now_ns
        rested_ns = 0 if self._pause is None else self._pause.rested_until_ns(now_ns)
        request = PauseRequest(
            mode=mode, reason=reason, source=source, stamp_ns=now_ns, rested_ns=rested_ns
        )
        self._publish("pause", request)
        self._pause = request
        return request

    def _publish(self, mailbox: str, message: msgspec.Struct) -> None:
        self._runtime.publish(mailbox, message)
        self.revision += 1

    def _waiting(self) -> PauseRequest | None:
        """Who made the robot wait, while it does."""
        return self._pause if self._pause is not None and self._pause.is_waiting else None

    def _latched_stop(self) -> StopRequest | None:
        """The stop that holds the robot: a person's, or the watchdog's."""
        requests = (self._stop, self._runtime.read("watchdog_stop"))
        newest = max((r for r in requests if r), key=lambda r: r.stamp_ns, default=None)
        return newest if newest is not None and newest.latched else None

    def _health(self, sign: NodeHealth) -> dict[str, Any]:
        return {
            "ready": sign.ready,
            "pid": sign.pid,
            "steps": sign.steps,
            "age_s": self._age_s(sign),
            "last_error": sign.last_error,
            "detail": sign.detail,
            "cpu_share": sign.cpu_share,
            "notice": sign.notice,
        }

    def _age_s(self, sign: NodeHealth) -> float:
        return seconds_between(sign.stamp_ns, self.now_ns)


def _planning(status: PlanningStatus | None) -> dict[str, Any] | None:
    """The planner's status without the plan's own copy of the thoughts."""
    if status is None:
        return None
    plain: dict[str, Any] = msgspec.to_builtins(status)
    plan = status.plan
    plain["plan"] = {"id": plan.id, "trigger": plan.trigger} if plan else None
    return plain


def _plain(message: msgspec.Struct | None) -> dict[str, Any] | None:
    return None if message is None else msgspec.to_builtins(message)


def _finite(value: object) -> object:
    """The same, with null for each number that JSON cannot say."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in cast("list[object]", value)]
    return value
