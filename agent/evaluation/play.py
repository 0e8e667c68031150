"""Plays one episode in virtual time: a fresh agent, one goal, a judge."""

from collections.abc import Callable

from agent.config import AgentConfig
from agent.evaluation.episodes import EPISODE_LIMIT_S, Episode
from agent.evaluation.judge import Judge
from agent.evaluation.motion import MotionMeter
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.suites import Suite
from agent.graph import ORACLE, build_graph
from agent.runtime_local import LocalRuntime
from bridge.errors import ConfigError, RuntimeStopped
from bridge.messages import Goal, LoopStatus, PlanningStatus
from fast_brain.robot_choice import read_robot_spec
from slow_brain.config import SlowBrainConfig

_STOPPED = "somebody wants the evaluation to end"


class EvaluationStopped(RuntimeStopped):
    """Raised when somebody wants the evaluation to end; the episode under way is lost."""


def episode_config(base: AgentConfig, suite: Suite, episode: Episode) -> AgentConfig:
    """The settings of one episode: those of the evaluation, with this world's seed and start.

    Raises:
        ConfigError: The suite is for another kind of robot.
    """
    if base.robot.kind != suite.robot_kind:
        raise ConfigError(
            f"Suite {suite.name!r} is for robot {suite.robot_kind!r}, and the preset has "
            f"{base.robot.kind!r}. Choose --preset {suite.preset}."
        )
    robot = base.robot.model_copy(
        update={
            "options": {**base.robot.options, **suite.robot_options},
            "seed": episode.seed,
            "reset_options": dict(episode.start),
        }
    )
    return base.model_copy(update={"robot": robot, "slow_brain": _told(base, episode)})


def _told(base: AgentConfig, episode: Episode) -> SlowBrainConfig:
    """The slow brain's settings; only an oracle is told the goal as data."""
    if base.slow_brain.planner != ORACLE:
        return base.slow_brain
    options = {**base.slow_brain.planner_options, "symbols": dict(episode.symbols)}
    return base.slow_brain.model_copy(update={"planner_options": options})


def play_episode(
    config: AgentConfig,
    episode: Episode,
    *,
    settings_id: str,
    limit_s: float = EPISODE_LIMIT_S,
    should_stop: Callable[[], bool] = lambda: False,
) -> EpisodeRecord:
    """Run one episode to its end.

    Args:
        config: From `episode_config`.
        episode: What to do and how to judge.
        settings_id: Kept in the record.
        limit_s: When time is up [s of the simulation].
        should_stop: Asked all the time; True ends the episode.

    Raises:
        EvaluationStopped: `should_stop` said so.
        TandemError: The agent could not be started.
    """
    if should_stop():
        raise EvaluationStopped(reason=_STOPPED)
    meter = MotionMeter(read_robot_spec(config.robot).action, config.fast_brain.control_rate_hz)
    runtime = LocalRuntime(build_graph(config))
    runtime.start()
    try:
        judge = Judge(episode, runtime.clock.now_ns(), limit_s)
        _follow(runtime, episode, judge, meter, should_stop)
        return _record(runtime, episode, judge, meter, settings_id)
    finally:
        runtime.stop()


def _follow(
    runtime: LocalRuntime,
    episode: Episode,
    judge: Judge,
    meter: MotionMeter,
    should_stop: Callable[[], bool],
) -> None:
    goal = Goal(
        text=episode.goal,
        id=f"episode-{episode.index}",
        source="evaluation",
        stamp_ns=runtime.clock.now_ns(),
    )
    runtime.publish("goal", goal)
    seen = [0]

    def is_over() -> bool:
        meter.look(runtime.read("command"))
        world = runtime.read("world")
        # The world reports ten times a second; between two reports nothing new can be said.
        if world is not None and world.stamp_ns != seen[0]:
            seen[0] = world.stamp_ns
            if should_stop():
                raise EvaluationStopped(reason=_STOPPED)
            judge.look(world, _planning_of(runtime, goal), runtime.clock.now_ns())
        return judge.is_over

    try:
        runtime.run_until(is_over, judge.limit_s + 1.0)
    except EvaluationStopped:
        raise
    except RuntimeStopped as stopped:
        judge.give_up(f"the run ended: {stopped.reason}")


def _planning_of(runtime: LocalRuntime, goal: Goal) -> PlanningStatus | None:
    """What the planner says about this goal; None while it has not seen it, or there is none."""
    planning: PlanningStatus | None = runtime.read("planning")
    if planning is None or planning.goal is None or planning.goal.id != goal.id:
        return None
    return planning


def _record(
    runtime: LocalRuntime, episode: Episode, judge: Judge, meter: MotionMeter, settings_id: str
) -> EpisodeRecord:
    planning: PlanningStatus | None = runtime.read("planning")
    loop: LoopStatus | None = runtime.read("loop_status")
    return EpisodeRecord(
        index=episode.index,
        seed=episode.seed,
        settings_id=settings_id,
        goal=episode.goal,
        success=judge.success,
        reason=judge.reason,
        planner_said_done=judge.planner_said_done,
        time_to_finish_s=judge.time_to_finish_s,
        duration_s=judge.duration_s(runtime.clock.now_ns()),
        subtasks=judge.subtasks,
        plans_made=planning.plans_made if planning else 0,
        ticks=loop.ticks if loop else 0,
        held_ticks=loop.starved_ticks if loop else 0,
        missed_ticks=loop.missed_ticks if loop else 0,
        phase=planning.phase if planning else "",
        facts=dict(judge.facts),
        motion=meter.measure(),
    )
