"""What a planner thought in a run, as lines of JSON that the `replay` planner thinks again.

    {"type": "run", "format": 1, "run": …}
    {"type": "goal", "goal_id": …, "text": …, "at_s": …}
    {"type": "plan", "goal_id": …, "trigger": …, "asked_s": …, "took_s": …, "thoughts": […], …}

Goals in order of time, each followed by its plans; where one is missing, `ended` and `why` say so.
A goal's `at_s` counts from the beginning of what is exported, `asked_s` from when the goal was
given, `took_s` and the rest from when the planner was asked [s]. Latents are there if the run was
recorded with `recording.latents: full`. `slow_brain/recorded_thoughts.py` reads it.
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
# How a request may end without a plan.
_ENDS = {"planner.failed": "failed", "planner.waits": "waits", "planner.cut_short": "cut short"}
# Recorded with all its numbers, or not at all.
_LATENT = "latent"
_TOLD = ("planner.asked", "planner.thought", "planner.plan", _LATENT, *_ENDS)


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
                plans += "ended" not in plan
            on_progress(number, len(stretch.goals))
    if not plans:
        raise ConfigError(f"No planner made a plan in that part of run {stretch.run.id}.")
    return {"goals": len(stretch.goals), "plans": plans}


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False) + "\n"


def _plans(stretch: Stretch, goal: GoalStretch) -> list[dict[str, Any]]:
    """What came of each request for the goal, in order; of those asked in this part."""
    asked: dict[str, _Request] = {}
    answers: list[dict[str, Any]] = []
    told = stretch.run.walk(*_TOLD, first_ns=goal.first_ns, last_ns=goal.last_ns)
    for event in told:
        plan_id = event.facts.get("plan_id", "")
        if event.kind == "planner.asked" and event.facts["goal_id"] == goal.story.id:
            asked[plan_id] = _Request(event)
        request = asked.get(plan_id)
        if request is None:
            continue
        if event.kind == "planner.thought":
            request.add_thought(event)
        elif event.kind == _LATENT:
            request.add_latent(event)
        elif event.kind == "planner.plan" or event.kind in _ENDS:
            answers.append(request.answered(goal, event))
    return answers


class _Request:
    """One request, and what came of it."""

    def __init__(self, asked: RecordedEvent) -> None:
        self._asked = asked
        self._thoughts: list[dict[str, Any]] = []
        self._latents: list[dict[str, Any]] = []

    def add_thought(self, event: RecordedEvent) -> None:
        piece = {name: event.facts[name] for name in ("field", "text")}
        self._thoughts.append(piece | {"at_s": self._seconds_until(event)})

    def add_latent(self, event: RecordedEvent) -> None:
        streams = {name: event.facts[name] for name in ("perceptual", "cognitive")}
        told = {"at_s": self._seconds_until(event), "subtask": event.facts["subtask_text"]}
        self._latents.append(told | streams)

    def answered(self, goal: GoalStretch, end: RecordedEvent) -> dict[str, Any]:
        """The whole; a latent that comes after its plan is still added."""
        facts = self._asked.facts
        thoughts = [_thought(words) for words in end.facts.get("thoughts", ())]
        about = {
            "type": "plan",
            "goal_id": goal.story.id,
            "plan_id": facts["plan_id"],
            "trigger": facts["trigger"],
            "trigger_kind": facts.get("trigger_kind", ""),
            "asked_s": (self._asked.stamp_ns - goal.first_ns) / _NS_PER_S,
            "took_s": self._seconds_until(end),
            "thoughts": self._thoughts or thoughts,
            "latents": self._latents,
        }
        if end.kind in _ENDS:
            why = end.facts.get("reason", end.facts.get("error", ""))
            return about | {"ended": _ENDS[end.kind], "why": why}
        return about | {
            "subtasks": list(_subtasks(end.facts)),
            "current_subtask_done": end.facts.get("current_subtask_done", False),
            "goal_done": end.facts["goal_done"],
        }

    def _seconds_until(self, event: RecordedEvent) -> float:
        return (event.stamp_ns - self._asked.stamp_ns) / _NS_PER_S


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
