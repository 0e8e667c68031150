"""One moment of a run as the page shows it: made from a status, live or put together from a trace.

Pure: no browser, no server, no file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.results import Status, part_of, planning_of, reason_of, subtasks_of, thoughts_of

NONE = "–"
_PHASES = {"": "no planner", "goal_done": "done", "goal_failed": "failed"}


class Step(NamedTuple):
    """A subtask: when it began and ended [s since the run began], and what moved it last."""

    id: str
    text: str
    state: str = "pending"
    cause: str = ""
    began_s: float | None = None
    ended_s: float | None = None
    thoughts: tuple[str, ...] = ()


class Section(NamedTuple):
    """How long one section of a tick takes [ms]."""

    name: str
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, kw_only=True)
class RunView:
    """All that is shown of one moment, `at_s` [s since the run began]; empty texts are unknown.

    `figures` are short words by key; `cameras` says under which address each picture is.
    """

    at_s: float
    phase: str = "no planner"
    goal: str = ""
    goal_source: str = ""
    reason: str = ""
    steps: tuple[Step, ...] = ()
    thoughts: tuple[tuple[str, str], ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict[str, str])
    sections: tuple[Section, ...] = ()
    rung: str = ""
    doing: str = ""
    alarm: str = ""
    waiting: str = ""
    is_stopped: bool = False
    has_ended: bool = False
    cameras: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def caption(self) -> str:
        """What the robot is doing, in words: the subtask under way, else the goal's phase."""
        active = next((step.text for step in self.steps if step.state == "active"), "")
        return active or (f"{self.goal}: {self.phase}" if self.goal else "no goal")


def run_view(
    status: Status,
    at_s: float,
    *,
    known: Mapping[str, Step] | None = None,
    cameras: Mapping[str, str] | None = None,
    thoughts: tuple[tuple[str, str], ...] = (),
) -> RunView:
    """The view of a status.

    Args:
        status: As the server tells it; a recorded one has the same parts, as far as it goes.
        at_s: When that was [s since the run began].
        known: What is known of subtasks beyond the status, by id: times, causes, thoughts.
        cameras: The pictures' addresses.
        thoughts: Those of the plan before, which stay until the next are written.
    """
    goal, loop, stop = (part_of(status, name) for name in ("goal", "loop", "stop"))
    planning = planning_of(status, str(goal.get("id", "")))
    phase = str(planning["phase"]) if planning else _phase_without_plan(status)
    ended = str(status.get("ended", ""))
    return RunView(
        at_s=at_s,
        phase=_PHASES.get(phase, phase),
        goal=str(goal.get("text", "")),
        goal_source=str(goal.get("source", "")),
        reason=reason_of(status),
        steps=tuple(_step(subtask, known or {}) for subtask in subtasks_of(status)),
        thoughts=tuple(thoughts_of(status)) or thoughts,
        figures=figures_of(status),
        sections=_sections(loop),
        rung=str(loop.get("rung", "")).replace("_", " "),
        doing=str(loop.get("last_decision", "")).replace("_", " "),
        alarm=_alarm(ended, stop),
        waiting=_waiting(part_of(status, "pause")),
        is_stopped=bool(stop),
        has_ended=bool(ended),
        cameras=cameras or {},
    )


def figures_of(status: Status) -> dict[str, str]:
    """Each figure of the page in words; what is not known is a dash."""
    loop, planning = part_of(status, "loop"), part_of(status, "planning")
    return {
        "latent age": _number(status.get("latent_age_s"), "{:.1f} s"),
        "loop rate": _number(loop.get("effective_rate_hz"), "{:.0f} Hz"),
        "late, p99": _number(loop.get("lateness_p99_ms"), "{:.1f} ms"),
        "missed ticks": _number(loop.get("missed_ticks"), "{:d}"),
        "without action": _number(loop.get("starved_ticks"), "{:d}"),
        "plans made": _number(planning.get("plans_made"), "{:d}"),
        "plan took": _number(planning.get("plan_latency_s"), "{:.2f} s"),
        "ladder": str(loop.get("rung", NONE)).replace("_", " "),
        "the loop": str(loop.get("last_decision", NONE)).replace("_", " "),
    }


def _phase_without_plan(status: Status) -> str:
    """The planner's phase while it has not seen the goal yet, or there is none."""
    planning = part_of(status, "planning")
    if not planning:
        return ""
    return "waiting" if part_of(status, "goal") else str(planning["phase"])


def _step(subtask: Status, known: Mapping[str, Step]) -> Step:
    told = known.get(str(subtask["id"]))
    step = told or Step(id=str(subtask["id"]), text=str(subtask["text"]))
    # What was noted of its moves is newer than a status that was recorded now and then.
    return step if told and told.state != "pending" else step._replace(state=str(subtask["state"]))


def _sections(loop: Status) -> tuple[Section, ...]:
    found: Mapping[str, Mapping[str, float]] = loop.get("sections") or {}
    return tuple(
        Section(name, times["p50_ms"], times["p99_ms"], times["max_ms"])
        for name, times in found.items()
    )


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)


def _alarm(ended: str, stop: Status) -> str:
    if ended:
        return f"The run has ended: {ended}"
    return f"Stopped by {stop['source']}: {stop['reason']}" if stop else ""


def _waiting(pause: Status) -> str:
    """Who made the robot wait; empty when nobody does."""
    if not pause or pause["mode"] == "running":
        return ""
    return f"{str(pause['mode']).capitalize()} by {pause['source']}: {pause['reason']}"
