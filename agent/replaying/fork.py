"""Begins again in simulation at a moment of a recorded run, with something changed."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.config import AgentConfig
from agent.evaluation.suites import options_alone
from agent.replaying.moment import Moment, find_moment, left_at, put_back
from agent.replaying.settings import replay_config
from agent.replaying.thoughts import (
    REPLAY_PLANNER,
    had_latents,
    remembered_at,
    thoughts_file,
)
from agent.replaying.virtual_run import VirtualRun
from agent.replaying.voices import Said, check_known, said_in
from agent.runtime_local import LocalRuntime
from agent.shared_mailboxes import SUPERVISOR_TRACE
from agent.tracing.diff import Difference, Stretch, compare
from agent.tracing.runs import Run
from agent.tracing.story import story_of
from bridge.errors import ConfigError, TandemError
from bridge.messages import Goal, PlanningStatus
from bridge.trace import TraceEvent

_NS_PER_S = 1_000_000_000
_OVER = ("goal_done", "goal_failed")
_GOAL_ID = "fork"
_OF_THE_GOAL = ("goal", "planning")
_NO_MEMORY = (
    "What the policy remembered at that moment is not in the trace, so it begins with an empty "
    "memory; runs recorded with recording.latents=full are forked with it."
)
# Settings that a fork has otherwise because it is one.
_OURS = ("robot.options.", "recording.", "serve.", "slow_brain.planner_options.file")


@dataclass(frozen=True, kw_only=True)
class Fork:
    """What came of it.

    `at_s` is where it began and `state_s` of when the robot's state was, since the recording began
    [s]; `outcomes` are how it ended in each, and `world` the facts that differ at the end.
    """

    at_s: float
    state_s: float
    folder: Path
    outcomes: tuple[str, str]
    world: dict[str, tuple[Any, Any]]
    difference: Difference
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether it came out as the original did."""
        return not self.difference.divergences

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "at_s": self.at_s,
            "state_s": self.state_s,
            "folder": str(self.folder),
            "outcomes": list(self.outcomes),
            "world": {name: list(pair) for name, pair in self.world.items()},
            "difference": self.difference.as_json(),
            "notes": list(self.notes),
        }


def fork(
    run: Run,
    time_s: float,
    make_folder: Callable[[], Path],
    *,
    goal: str = "",
    planner: str = "",
    overrides: Sequence[str] = (),
    limit_s: float = 120.0,
    tolerance: float = 0.01,
) -> Fork:
    """Go on from a moment of a run in virtual time, and lay what follows beside the original.

    The robot is exactly as it was; goal, plan and stops stand as they stood, and what people said
    later is said again, unless there is another goal. It ends a second after the last goal has
    ended. Its trace, on the original's clock, stays.

    Args:
        run: The run.
        time_s: Where to begin, since the recording began [s].
        make_folder: Gives the folder of the fork's own trace; asked when all else is known.
        goal: What to ask for instead, from that moment on; "" for the same as then.
        planner: Another planner than the run had; "" for the same.
        overrides: Settings to change, as `fast_brain.stitcher=rtc`.
        limit_s: When it ends at the latest, after the moment [s].
        tolerance: How far apart two commands may be and still be the same [action unit].

    Raises:
        ConfigError: The time is outside the run, there is no state from before it, or a setting is
            wrong.
        ContractError: The state is of another robot than the settings say.
        TandemError: The agent could not be started.
    """
    config = _alone(replay_config(run, overrides, planner))
    begins = _beginning(run, time_s, goal, config)
    moment, folder = begins.moment, make_folder()
    try:
        if planner == REPLAY_PLANNER:
            extra = thoughts_file(run, folder / "thoughts.jsonl", run.seconds(moment.at_ns))
            config = _alone(replay_config(run, [*extra, *overrides], planner))
        virtual = VirtualRun(config, moment.at_ns, folder, begins.left)
        gone_on = virtual.live(
            begins.later,
            moment.at_ns + round(limit_s * _NS_PER_S),
            prepare=lambda runtime: _prepare(runtime, run, begins),
            is_over=_is_over,
        )
    except TandemError:
        # What did not begin is no run.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _compared(run, gone_on, begins, tolerance)


@dataclass(frozen=True, kw_only=True)
class _Beginning:
    """Where a fork begins: the moment, all that was said, what is said later, what stands."""

    moment: Moment
    said: list[Said]
    later: list[Said]
    left: dict[str, object]
    lacks_memory: bool


def _beginning(run: Run, time_s: float, goal: str, config: AgentConfig) -> _Beginning:
    moment = find_moment(run, time_s, config.fast_brain.control_rate_hz)
    said = said_in(run)
    left = left_at(run, moment, said)
    later = [word for word in said if word.stamp_ns >= moment.at_ns]
    if goal:
        later = [_goal(goal, moment)]
        left = {name: message for name, message in left.items() if name not in _OF_THE_GOAL}
    else:
        check_known(run, said)
        _check_goal(run, moment, left, later)
    lacks_memory, wanted = False, left.get("goal")
    if isinstance(wanted, Goal):
        left |= remembered_at(run, config, wanted, moment.at_ns)
        lacks_memory = "memory" not in left and had_latents(run, wanted, moment.at_ns)
    return _Beginning(moment=moment, said=said, later=later, left=left, lacks_memory=lacks_memory)


def _prepare(runtime: LocalRuntime, run: Run, begins: _Beginning) -> None:
    """Put the robot back, and let the trace say where it comes from."""
    at_ns = begins.moment.at_ns
    put_back(run, begins.moment, runtime.node("robot").robot, begins.said)
    facts = {"run": run.id, "at_s": run.seconds(at_ns)}
    runtime.publish(SUPERVISOR_TRACE, TraceEvent(kind="run.forked", stamp_ns=at_ns, facts=facts))


def _alone(config: AgentConfig) -> AgentConfig:
    """The robot in virtual time, in nobody's way: as `agent eval` has it."""
    robot = config.robot
    options = {**robot.options, **options_alone(robot.kind)}
    return config.model_copy(update={"robot": robot.model_copy(update={"options": options})})


def _goal(text: str, moment: Moment) -> Said:
    # Just after the moment itself, as something that has changed.
    stamp_ns = moment.at_ns + 1
    return Said(stamp_ns, "goal", Goal(text=text, id=_GOAL_ID, source="fork", stamp_ns=stamp_ns))


def _check_goal(run: Run, moment: Moment, left: dict[str, object], later: list[Said]) -> None:
    """Refuse to wait for nothing.

    Raises:
        ConfigError: Nobody had asked for anything by then, or it was over.
    """
    if any(word.mailbox == "goal" for word in later):
        return
    at = f"At {run.seconds(moment.at_ns):.3f} s of run {run.id}"
    if "goal" not in left:
        raise ConfigError(f"{at} nobody had asked for anything: say what to do with --goal.")
    planning = left.get("planning")
    if isinstance(planning, PlanningStatus) and planning.phase in _OVER:
        raise ConfigError(
            f"{at} the goal was over already ({planning.reason or planning.phase}): begin earlier, "
            "or say what to do with --goal."
        )


def _is_over(runtime: LocalRuntime) -> bool:
    """Whether the planner sees the goal that was given last met, or gave it up."""
    planning: PlanningStatus | None = runtime.read("planning")
    goal: Goal | None = runtime.read("goal")
    if planning is None or planning.goal is None or goal is None:
        return False
    return planning.goal.id == goal.id and planning.phase in _OVER


def _compared(run: Run, gone_on: Run, begins: _Beginning, tolerance: float) -> Fork:
    moment = begins.moment
    # What both begin with is said at the moment itself.
    first_ns, zero = moment.at_ns + 1, run.start_ns
    stretch = Stretch(zero, first_ns, sys.maxsize, "the recording began")
    found = compare(run, gone_on, tolerance=tolerance, stretch=stretch)
    settings = {k: v for k, v in found.settings.items() if not k.startswith(_OURS)}
    return Fork(
        at_s=run.seconds(moment.at_ns),
        state_s=run.seconds(moment.state_ns),
        folder=gone_on.path,
        outcomes=(story_of(run).outcome, story_of(gone_on).outcome),
        world=_other_facts(_world(run), _world(gone_on)),
        difference=replace(found, settings=settings),
        notes=(*run.notes, *([_NO_MEMORY] if begins.lacks_memory else [])),
    )


def _world(run: Run) -> dict[str, Any]:
    """What was true in the world at the end; numbers, which are never quite the same, are left."""
    last = run.newest("world", run.end_ns)
    facts: dict[str, Any] = {} if last is None else last.facts["facts"]
    return {name: value for name, value in facts.items() if isinstance(value, bool | str)}


def _other_facts(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted(first.keys() | second.keys())
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
