"""A moment of a recorded run: its robot to the last bit, and what stood in the mailboxes."""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from agent.replaying.chunks import CHUNK, chunk_message
from agent.replaying.voices import Said, newest
from agent.tracing.runs import Run
from agent.tracing.ticks import TICKS, Tick, ticks_of
from bridge.clock import seconds_between
from bridge.errors import ConfigError
from bridge.messages import ActionChunk, Command, Plan, PlanningStatus, StopRequest, Verdict
from bridge.protocols import RestorableRobot, SimulatedRobot

_NS_PER_S = 1_000_000_000
STATE = "robot.state"
# How long a batch of ticks may have begun before its last tick.
_BATCH_NS = _NS_PER_S


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a fork begins: at `at_ns`, from a robot's state of `state_ns` [ns]."""

    at_ns: int
    state_ns: int
    state: bytes
    beat_ns: int


def find_moment(run: Run, time_s: float, rate_hz: float) -> Moment:
    """The beat of the robot at or before a time [s], and the newest state recorded until then.

    Args:
        run: The run.
        time_s: Since the recording began [s].
        rate_hz: The robot's beats [Hz].

    Raises:
        ConfigError: The time is outside the run, or no state of the robot is known from before it.
    """
    wanted_ns = run.stamp(time_s)
    event = run.newest(STATE, wanted_ns)
    if event is None:
        raise ConfigError(_no_state(run, time_s))
    try:
        state = base64.b64decode(event.facts["state"], validate=True)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"The robot's state at {run.seconds(event.stamp_ns):.3f} s of run {run.id} is damaged "
            f"or was redacted: {error}."
        ) from error
    beat_ns = round(_NS_PER_S / rate_hz)
    passed = (wanted_ns - event.stamp_ns) // beat_ns
    return Moment(
        at_ns=event.stamp_ns + passed * beat_ns,
        state_ns=event.stamp_ns,
        state=state,
        beat_ns=beat_ns,
    )


def _no_state(run: Run, time_s: float) -> str:
    first = next(run.walk(STATE), None)
    if first is None:
        return (
            f"Run {run.id} holds no state of its robot, so nothing can begin from it. A simulator "
            "tells its state once a second if it can be put back to it, as point_arm and "
            "ogbench_scene can; a real robot cannot."
        )
    return (
        f"The first state of the robot in run {run.id} is of {run.seconds(first.stamp_ns):.3f} s, "
        f"after {time_s:g} s: begin there or later."
    )


def put_back(run: Run, moment: Moment, robot: object, said: list[Said]) -> None:
    """Bring a robot to where it was at a moment.

    From its last known state it is sent once more what it was sent until then, beat by beat, as
    `RobotNode` does; then nothing is between the state and the moment but what it did itself.

    Raises:
        ConfigError: It cannot be put back.
        ContractError: The state is of another robot.
    """
    if not (isinstance(robot, RestorableRobot) and isinstance(robot, SimulatedRobot)):
        raise ConfigError(
            f"Robot {type(robot).__name__} cannot be put back to a moment: it has no `restore`."
        )
    robot.restore(moment.state)
    ticks = _ticks(run, moment)
    stops = _stops(run, moment, said)
    for now_ns in range(moment.state_ns + moment.beat_ns, moment.at_ns + 1, moment.beat_ns):
        # A command is obeyed at the beat after the tick that sent it.
        while ticks and ticks[0].stamp_ns < now_ns:
            _obey(robot, ticks.pop(0), stops)
        robot.advance(now_ns)


def _ticks(run: Run, moment: Moment) -> list[Tick]:
    first_ns = moment.state_ns - moment.beat_ns
    batches = run.walk(TICKS, first_ns=first_ns - _BATCH_NS, last_ns=moment.at_ns)
    ticks = [tick for batch in batches for tick in ticks_of(batch)]
    return [tick for tick in ticks if moment.state_ns <= tick.stamp_ns < moment.at_ns]


def _stops(run: Run, moment: Moment, said: list[Said]) -> list[StopRequest]:
    """The stops that the robot has heard by the moment, in order of time."""
    heard = [word.message for word in said if word.mailbox == "stop"]
    stops = [each for each in heard if isinstance(each, StopRequest)] + _watchdog_stops(run)
    return sorted((s for s in stops if s.stamp_ns < moment.at_ns), key=lambda s: s.stamp_ns)


def _watchdog_stops(run: Run) -> list[StopRequest]:
    kept = (event for event in run.kept if event.kind == "watchdog_stop")
    return [
        msgspec.convert(
            event.facts | {"stamp_ns": event.stamp_ns, "type": StopRequest.__name__}, StopRequest
        )
        for event in kept
    ]


def _obey(robot: Any, tick: Tick, stops: list[StopRequest]) -> None:  # noqa: ANN401  # A robot that can be put back.
    stop = next((s for s in reversed(stops) if s.stamp_ns <= tick.stamp_ns), None)
    if stop is not None and stop.latched:
        robot.stop(stop.reason)
    elif tick.action is not None:
        robot.command(
            Command(
                action=np.array(tick.action, np.float32),
                stamp_ns=tick.stamp_ns,
                sequence=-1,
                verdict=Verdict(kind="passed"),
                chunk_sequence=tick.chunk_sequence,
                chunk_index=tick.chunk_index,
            )
        )


def left_at(run: Run, moment: Moment, said: list[Said]) -> dict[str, object]:
    """What stood in the mailboxes just before a moment, by mailbox, as far as it is recorded."""
    words = {name: newest(said, name, moment.at_ns) for name in ("goal", "pause", "stop")}
    left: dict[str, object] = {n: word.message for n, word in words.items() if word is not None}
    stops = [stop for stop in _watchdog_stops(run) if stop.stamp_ns < moment.at_ns]
    if stops:
        left["watchdog_stop"] = stops[-1]
    planning = run.newest("planning", moment.at_ns - 1)
    if planning is not None and planning.facts.get("goal"):
        left["planning"] = _planning(planning.stamp_ns, planning.facts)
    chunk = run.newest(CHUNK, moment.at_ns - 1)
    if chunk is not None and "actions" in chunk.facts:
        left["chunk"] = _chunk(chunk_message(chunk), moment.at_ns)
    return left


def _chunk(chunk: ActionChunk, now_ns: int) -> ActionChunk:
    """A chunk that is under way; to the control loop, which begins anew, nothing is older.

    Its latent has grown older by as much as its observation seems to be newer.
    """
    later_s = seconds_between(chunk.observation_stamp_ns, now_ns)
    age_s = chunk.latent_age_s + later_s
    return replace(chunk, observation_stamp_ns=now_ns, latent_age_s=age_s)


def _planning(stamp_ns: int, facts: dict[str, Any]) -> PlanningStatus:
    """The status as it was, as far as it is recorded."""
    known = {name: value for name, value in facts.items() if value is not None and name != "plan"}
    # A number that was not finite, here the age of no latent, is not recorded.
    status = msgspec.convert(
        known | {"stamp_ns": stamp_ns, "type": PlanningStatus.__name__}, PlanningStatus
    )
    plan = facts.get("plan")
    if plan is None or status.goal is None:
        return status
    made = Plan(
        id=plan["id"],
        goal_id=status.goal.id,
        subtasks=status.subtasks,
        trigger=plan["trigger"],
        observation_stamp_ns=stamp_ns,
        stamp_ns=stamp_ns,
    )
    return replace(status, plan=made)
