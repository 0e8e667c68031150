"""What a planner thought in a run, as lines of JSON that the `replay` planner thinks again.

    {"type": "run", "format": 1, "run": …}
    {"type": "goal", "goal_id": …, "text": …, "at_s": …}
    {"type": "plan", "goal_id": …, "trigger": …, "asked_s": …, "took_s": …, "thoughts": […], …}

Goals in order of time, each followed by its plans. `at_s` counts from the beginning of what is
exported, `asked_s` from when the goal was given, `took_s` from when the planner was asked [s].
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.exporting.stretch import GoalStretch, OnProgress, Stretch
from agent.recording.reading import RecordedEvent
from bridge.errors import ConfigError

FORMAT = 1
_NS_PER_S = 1_000_000_000
_TOLD = ("planner.asked", "planner.plan")


def write_thoughts(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write the file.

    Raises:
        ConfigError: No planner made a plan there.
    """
    plans = 0
    with path.open("x", encoding="utf-8") as file:
        file.write(_line({"type": "run", "format": FORMAT, "run": stretch.run.id}))
        for number, goal in enumerate(stretch.goals, 1):
            story = goal.story
            at_s = stretch.seconds(goal.first_ns)
            told = {"goal_id": story.id, "text": story.text, "at_s": at_s}
            file.write(_line({"type": "goal"} | told))
            for plan in _plans(stretch, goal):
                file.write(_line(plan))
                plans += 1
            on_progress(number, len(stretch.goals))
    if not plans:
        raise ConfigError(f"No planner made a plan in that part of run {stretch.run.id}.")
    return {"goals": len(stretch.goals), "plans": plans}


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _plans(stretch: Stretch, goal: GoalStretch) -> Iterator[dict[str, Any]]:
    """The goal's plans in the order in which they were made, those asked for in this part."""
    asked: dict[str, RecordedEvent] = {}
    told = stretch.run.walk(*_TOLD, first_ns=goal.first_ns, last_ns=goal.last_ns)
    for event in told:
        plan_id = event.facts["plan_id"]
        if event.facts["goal_id"] != goal.story.id:
            continue
        if event.kind == "planner.asked":
            asked[plan_id] = event
        elif plan_id in asked:
            yield _plan(goal, asked.pop(plan_id), event)


def _plan(goal: GoalStretch, asked: RecordedEvent, plan: RecordedEvent) -> dict[str, Any]:
    facts = plan.facts
    return {
        "type": "plan",
        "goal_id": goal.story.id,
        "plan_id": facts["plan_id"],
        "trigger": facts["trigger"],
        "trigger_kind": asked.facts.get("trigger_kind", ""),
        "asked_s": (asked.stamp_ns - goal.first_ns) / _NS_PER_S,
        "took_s": (plan.stamp_ns - asked.stamp_ns) / _NS_PER_S,
        "thoughts": [_thought(words) for words in facts.get("thoughts", ())],
        "subtasks": list(_subtasks(facts)),
        "current_subtask_done": facts.get("current_subtask_done", False),
        "goal_done": facts["goal_done"],
    }


def _thought(words: str) -> dict[str, str]:
    field, _, text = words.partition(": ")
    return {"field": field, "text": text}


def _subtasks(facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a plan; an agent of before did not tell when they are done or given up."""
    steps: list[str] = facts["subtasks"]
    timeouts = facts.get("timeouts_s") or [None] * len(steps)
    conditions = facts.get("done_conditions") or [""] * len(steps)
    for step, timeout_s, condition in zip(steps, timeouts, conditions, strict=True):
        text, _, state = step.rpartition(": ")
        told = {"text": text, "state": state, "done_condition": condition}
        yield told if timeout_s is None else told | {"timeout_s": timeout_s}
