"""What happened in a run as a list of steps that can be laid beside another run's."""

from typing import NamedTuple

from agent.recording.reading import RecordedEvent
from agent.tracing.runs import Run
from agent.tracing.words import describe, is_telling, shortened

_ENDED = {"goal_done": "done", "goal_failed": "failed"}


class Step(NamedTuple):
    """One thing that happened; `at_s` is since times count in the comparison [s].

    Two steps of two runs are the same if their words are: ids and times of a run are not in them.
    """

    at_s: float
    lane: str
    words: str


def zero_ns(run: Run) -> int:
    """From when two runs are compared [ns]: their first goal, else their beginning."""
    return next((event.stamp_ns for event in run.kept if event.kind == "goal"), run.start_ns)


def steps_of(run: Run, plans: list[RecordedEvent], began_ns: int) -> list[Step]:
    """Goals, plans, subtasks, ladder, holds and faults, in order of time.

    Args:
        run: The run.
        plans: All its `planner.plan`; one that says the same as the one before is no step.
        began_ns: From when times count [ns].
    """
    steps = list[Step]()
    planned, goals = "", set[str]()
    events = sorted([*run.kept, *plans], key=lambda event: (event.stamp_ns, event.kind != "goal"))
    for event in events:
        found = step_words(event)
        if found is None:
            continue
        lane, words = found
        # A recorder that was restarted takes down the goal under way again.
        if lane == "goal" and event.facts.get("id") in goals:
            continue
        goals.add(event.facts.get("id", ""))
        if lane == "plan":
            if words == planned:
                continue
            planned = words
        steps.append(Step((event.stamp_ns - began_ns) / 1e9, lane, shortened(words)))
    return steps


def step_words(event: RecordedEvent) -> tuple[str, str] | None:
    """What a rare event, or a plan, says: its lane and a line; None if it is no step."""
    facts = event.facts
    match event.kind:
        case "node.notice" | "run.forked":
            # Of the machine, or of how the run came about: not what happened in it.
            found = None
        case "goal":
            found = ("goal", facts["text"])
        case "goal.moved" if facts["phase"] in _ENDED:
            found = ("outcome", f"{_ENDED[facts['phase']]}: {facts['reason']}")
        case "planner.plan":
            steps = [step.rpartition(":")[0] for step in facts["subtasks"]]
            found = ("plan", "; ".join(steps) or "nothing left to do")
        case "subtask.moved":
            found = ("subtask", f"{facts['text']}: {facts['state']}")
        case _ if is_telling(event):
            found = ("event", describe(event))
        case _:
            found = None
    return found
