"""How a goal went, told from the server's statuses: pure, so the same from a recording."""

import json
from pathlib import Path
from typing import Any, NamedTuple

Status = dict[str, Any]
_NS_PER_S = 1_000_000_000
_OVER = ("done", "failed", "skipped")


class Outcome(NamedTuple):
    """Whether the goal was met, and the reason in words."""

    success: bool
    reason: str


def outcome_of(status: Status, goal_id: str) -> Outcome | None:
    """How the goal ended, or None while it is under way."""
    if status["ended"]:
        return Outcome(success=False, reason=f"the run has stopped: {status['ended']}")
    if status["stop"]:
        by = status["stop"]
        return Outcome(success=False, reason=f"stopped by {by['source']}: {by['reason']}")
    if status["goal"] and status["goal"]["id"] != goal_id:
        return Outcome(success=False, reason=f"replaced by {status['goal']['text']!r}")
    return _verdict_of(planning_of(status, goal_id))


def part_of(status: Status, name: str) -> Status:
    """One part of a status, empty if it is not there yet."""
    part: Status | None = status.get(name)
    return part or {}


def subtasks_of(status: Status) -> list[Status]:
    """The subtasks of the goal that the robot has now."""
    planning = planning_of(status, part_of(status, "goal").get("id", ""))
    return planning["subtasks"] if planning else []


def thoughts_of(status: Status) -> list[tuple[str, str]]:
    """The chain of thought of the plan being written: (heading, text so far), in order."""
    planning = planning_of(status, part_of(status, "goal").get("id", "")) or {}
    pieces: list[dict[str, str]] = planning.get("thoughts", [])
    texts: dict[str, str] = {}
    for piece in pieces:
        texts[piece["field"]] = texts.get(piece["field"], "") + piece["text"]
    return [(field, " ".join(text.split())) for field, text in texts.items()]


def reason_of(status: Status) -> str:
    """Why the planner does what it does with the goal that the robot has now; often empty."""
    planning = planning_of(status, part_of(status, "goal").get("id", ""))
    return planning["reason"] if planning else ""


def planning_of(status: Status, goal_id: str) -> Status | None:
    """What the planner says about this goal; None while it has not seen it, or there is none."""
    planning: Status | None = status["planning"]
    if not planning or not planning["goal"] or planning["goal"]["id"] != goal_id:
        return None
    return planning


def _verdict_of(planning: Status | None) -> Outcome | None:
    phase = planning["phase"] if planning else ""
    reason = planning["reason"] if planning else ""
    if phase == "goal_done":
        return Outcome(success=True, reason=reason or "the planner sees the goal met")
    if phase == "goal_failed":
        return Outcome(success=False, reason=reason or "the planner gave up")
    return None


class JobRecord:
    """Collects what happened to one goal, status by status."""

    def __init__(self, goal: str, goal_id: str) -> None:
        self._goal = goal
        self._goal_id = goal_id
        self._first_ns: int | None = None
        self._last: Status | None = None
        self._began_ns: dict[str, int] = {}
        self._ended_ns: dict[str, int] = {}
        self._captions: list[tuple[int, str]] = []

    @property
    def is_empty(self) -> bool:
        """Whether no status has come yet."""
        return self._last is None

    @property
    def captions(self) -> list[tuple[int, str]]:
        """What was being done from which moment on: (stamp [ns], text), in order of time."""
        return list(self._captions)

    @property
    def duration_s(self) -> float:
        """From the first status to the last [s]."""
        if self._first_ns is None or self._last is None:
            return 0.0
        return (self._last["stamp_ns"] - self._first_ns) / _NS_PER_S

    def note(self, status: Status) -> None:
        """Take in the next status."""
        now_ns: int = status["stamp_ns"]
        if self._first_ns is None:
            self._first_ns = now_ns
            self._captions.append((now_ns, self._goal))
        self._last = status
        for subtask in self._subtasks():
            self._note_subtask(subtask, now_ns)

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """The whole story, ready for JSON; times in seconds of the run."""
        last = self._last or {}
        planning: Status = last.get("planning") or {}
        return {
            "goal": self._goal,
            "goal_id": self._goal_id,
            "success": outcome.success,
            "reason": outcome.reason,
            "duration_s": round(self.duration_s, 3),
            "plans_made": planning.get("plans_made", 0),
            "subtasks": [self._story(subtask) for subtask in self._subtasks()],
            "loop": last.get("loop"),
            "robot": last.get("robot"),
        }

    def _subtasks(self) -> list[Status]:
        planning = planning_of(self._last, self._goal_id) if self._last else None
        return planning["subtasks"] if planning else []

    def _note_subtask(self, subtask: Status, now_ns: int) -> None:
        key = subtask["id"]
        if subtask["state"] == "active" and key not in self._began_ns:
            self._began_ns[key] = now_ns
            self._captions.append((now_ns, subtask["text"]))
        if subtask["state"] in _OVER:
            self._ended_ns.setdefault(key, now_ns)

    def _story(self, subtask: Status) -> dict[str, Any]:
        began, ended = self._began_ns.get(subtask["id"]), self._ended_ns.get(subtask["id"])
        took_s = None if began is None or ended is None else round((ended - began) / _NS_PER_S, 3)
        return {"text": subtask["text"], "state": subtask["state"], "took_s": took_s}


def write_result(result: dict[str, Any], path: Path) -> None:
    """Write a result as JSON; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(json.dumps(result, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    aside.replace(path)
