"""The story of a run: its goals, how each came out, and its subtasks with times and causes."""

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from agent.recording.reading import RecordedEvent
from agent.tracing.runs import Run
from agent.tracing.words import FAULTS, describe, is_telling

_OUTCOMES = {"goal_done": "done", "goal_failed": "failed"}


@dataclass(kw_only=True)
class SubtaskStory:
    """One subtask; times are since the recording began [s], None where it did not come to that."""

    id: str
    text: str
    state: str = "active"
    began_s: float | None = None
    began_because: str = ""
    ended_s: float | None = None
    ended_because: str = ""
    plan_id: str = ""
    thoughts: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class GoalStory:
    """One goal and what came of it.

    `outcome` is "done", "failed", "given up for the next", "not finished", or "not judged" where no
    planner had a say.
    """

    id: str
    text: str
    source: str
    given_s: float
    outcome: str = "not judged"
    reason: str = ""
    ended_s: float | None = None
    subtasks: list[SubtaskStory] = field(default_factory=list[SubtaskStory])
    events: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])


@dataclass(kw_only=True)
class RunStory:
    """A run; `events` are those from before its first goal, `faults` counts what went wrong."""

    id: str
    began: str
    length_s: float
    goals: list[GoalStory]
    events: list[tuple[float, str]]
    faults: dict[str, int]
    ticks: int
    missed_ticks: int
    notes: list[str]

    @property
    def outcome(self) -> str:
        """How the run came out, in a few words."""
        outcomes = [goal.outcome for goal in self.goals]
        if len(outcomes) > 1:
            return f"{outcomes.count('done')} of {len(outcomes)} goals done"
        return outcomes[0] if outcomes else "no goal"

    @property
    def subtasks(self) -> tuple[int, int]:
        """How many subtasks were done, and how many were begun."""
        states = [subtask.state for goal in self.goals for subtask in goal.subtasks]
        return states.count("done"), len(states)

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        done, begun = self.subtasks
        counts = {"subtasks_done": done, "subtasks_begun": begun}
        return asdict(self) | {"outcome": self.outcome, **counts}


def story_of(run: Run) -> RunStory:
    """Read the story of a run off its rare events."""
    goals: dict[str, GoalStory] = {}
    before: list[tuple[float, str]] = []
    under_way: GoalStory | None = None
    for event in run.kept:
        match event.kind:
            case "goal" if event.node == "mailbox":
                under_way = goals.setdefault(event.facts["id"], _goal(event, run))
            case "goal.moved" if event.facts["goal_id"] in goals:
                _note_phase(goals[event.facts["goal_id"]], event, run)
            case "subtask.moved" if event.facts["goal_id"] in goals:
                _note_move(goals[event.facts["goal_id"]], event, run)
            case _ if is_telling(event):
                told = before if under_way is None else under_way.events
                told.append((run.seconds(event.stamp_ns), describe(event)))
            case _:
                pass
    _note_given_up(list(goals.values()))
    return RunStory(
        id=run.id,
        began=run.began.isoformat(timespec="seconds"),
        length_s=run.length_s,
        goals=list(goals.values()),
        events=before,
        faults=faults_of(run),
        ticks=sum(part.index.ticks for part in run.parts),
        missed_ticks=sum(part.index.missed for part in run.parts),
        notes=run.notes,
    )


def faults_of(run: Run) -> dict[str, int]:
    """How often each kind of fault was told; kinds that were not are left out."""
    counts = dict.fromkeys(FAULTS, 0)
    for part in run.parts:
        for name, count in part.index.counts.items():
            kind = name.partition(" ")[2]
            if kind in counts:
                counts[kind] += count
    return {kind: count for kind, count in counts.items() if count}


def _goal(event: RecordedEvent, run: Run) -> GoalStory:
    facts = event.facts
    return GoalStory(
        id=facts["id"],
        text=facts["text"],
        source=facts["source"],
        given_s=run.seconds(event.stamp_ns),
    )


def _note_phase(goal: GoalStory, event: RecordedEvent, run: Run) -> None:
    phase = event.facts["phase"]
    goal.outcome = _OUTCOMES.get(phase, "not finished")
    if phase in _OUTCOMES:
        goal.ended_s, goal.reason = run.seconds(event.stamp_ns), event.facts["reason"]


def _note_move(goal: GoalStory, event: RecordedEvent, run: Run) -> None:
    facts, now_s = event.facts, run.seconds(event.stamp_ns)
    known = {subtask.id: subtask for subtask in goal.subtasks}
    subtask = known.get(facts["subtask_id"])
    if subtask is None:
        subtask = SubtaskStory(id=facts["subtask_id"], text=facts["text"])
        goal.subtasks.append(subtask)
    subtask.state = facts["state"]
    if facts["state"] != "active":
        subtask.ended_s, subtask.ended_because = now_s, cause_of(facts)
        return
    subtask.began_s, subtask.began_because = now_s, cause_of(facts)
    subtask.plan_id, subtask.thoughts = facts["plan_id"], list(facts["thoughts"])


def cause_of(move: dict[str, Any]) -> str:
    """Why a subtask moved: what was found, else the plan that was made, and why it was."""
    if move["reason"]:
        return move["reason"]
    if not move["plan_id"]:
        return "not recorded"
    return f"{move['plan_id']}, asked because of: {move['trigger']}"


def _note_given_up(goals: list[GoalStory]) -> None:
    for goal, following in pairwise(goals):
        if goal.outcome in ("not finished", "not judged"):
            goal.outcome = "given up for the next"
            goal.ended_s = following.given_s
