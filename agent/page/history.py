"""The last minutes of a live run, kept once for all who look: bounded, fed with statuses.

Nothing is read from the trace; what happened between two statuses and left no sign is not seen.
"""

from collections import deque
from dataclasses import replace
from typing import NamedTuple

from agent.page.run_view import RunView, Step, run_view
from agent.results import Status, part_of, planning_of, subtasks_of, thoughts_of
from agent.tracing.lanes import (
    Bar,
    Chronicle,
    MemorySample,
    every,
    memory_sample,
    thinned,
)
from bridge.memory_use import MemoryReport
from bridge.messages import ActionChunk, Command, Hold

_NS_PER_S = 1_000_000_000
_KEPT_S = 600.0
_MOST_BARS = 3000
_MOST_IN_LANE = 300
_MOST_POINTS = 300
_MOST_MEMORIES = 120
# Moments that can be gone back to, one a second.
_VIEW_EVERY_S = 1.0


class Newest(NamedTuple):
    """What is drawn beside the status: the newest chunk and decision, and what fell since."""

    chunk: ActionChunk | None = None
    decision: Command | Hold | None = None
    faults: tuple[tuple[int, str], ...] = ()
    memory: MemoryReport | None = None
    action_names: tuple[str, ...] = ()


class RunHistory:
    """Rings of what the page draws over time. For one thread."""

    def __init__(self, kept_s: float = _KEPT_S) -> None:
        self._kept_s = kept_s
        self._start_ns: int | None = None
        self._last_s = 0.0
        self._bars: deque[Bar] = deque(maxlen=_MOST_BARS)
        self._open: dict[str, Bar] = {}
        self._curves: dict[str, deque[tuple[float, float]]] = {}
        self._actions: dict[str, deque[tuple[float, float]]] = {}
        self._memory: deque[MemorySample] = deque(maxlen=_MOST_MEMORIES)
        self._views: deque[RunView] = deque()
        self._steps: dict[str, Step] = {}
        self._thoughts: tuple[tuple[str, str], ...] = ()
        self._goal_id = self._plan_id = ""
        self._chunk_sequence = self._missed = -1
        self._newest_fault_ns = 0

    def note(self, status: Status, newest: Newest, cameras: dict[str, str]) -> RunView:
        """Take in the next status, and return what is to be shown of it."""
        now_ns: int = status["stamp_ns"]
        if self._start_ns is None:
            self._start_ns = self._newest_fault_ns = now_ns
        now_s = self._last_s = self._seconds(now_ns)
        # Between two plans the old thoughts stay to be read.
        self._thoughts = tuple(thoughts_of(status)) or self._thoughts
        self._note_steps(status, now_s)
        self._note_plan(status, now_s)
        self._note_loop(part_of(status, "loop"), now_s)
        self._note_age(status, now_s)
        self._note_newest(newest, now_s)
        self._note_stop(part_of(status, "stop"), now_s)
        self._forget(now_s - self._kept_s)
        view = run_view(status, now_s, known=self._steps, cameras=cameras, thoughts=self._thoughts)
        if not self._views or now_s - self._views[-1].at_s >= _VIEW_EVERY_S:
            # The pictures of then are not kept; they are in the recording.
            self._views.append(replace(view, cameras={}))
        return view

    def view_at(self, at_s: float) -> RunView | None:
        """What was shown at a moment [s since the server began to look]; None if it is gone."""
        before = [view for view in self._views if view.at_s <= at_s]
        return before[-1] if before else None

    def stamp_ns(self, at_s: float) -> int:
        """A moment [s since the server began to look] on the run's clock [ns]."""
        return (self._start_ns or 0) + round(at_s * _NS_PER_S)

    def chronicle(self) -> Chronicle:
        """All that is kept, ready to be drawn."""
        under_way = [bar._replace(last_s=self._last_s) for bar in self._open.values()]
        return Chronicle(
            first_s=max(0.0, self._last_s - self._kept_s),
            last_s=self._last_s,
            bars=(*_fewer(list(self._bars)), *under_way),
            latent_age_s=thinned(self._curve("age"), _MOST_POINTS),
            gate=every(self._curve("gate"), _MOST_POINTS),
            late_ms=thinned(self._curve("late"), _MOST_POINTS),
            actions={n: every(list(p), _MOST_POINTS) for n, p in self._actions.items()},
            memory=tuple(self._memory),
        )

    def _note_steps(self, status: Status, now_s: float) -> None:
        """Since when and why each subtask is in the state that it is in."""
        goal_id = str(part_of(status, "goal").get("id", ""))
        planning = planning_of(status, goal_id)
        if goal_id != self._goal_id:
            self._goal_id, self._steps, self._thoughts = goal_id, {}, ()
            self._stretch("subtask", now_s, "", "")
        if not planning:
            return
        cause = str(planning["reason"]) or _trigger(planning)
        for subtask in subtasks_of(status):
            key, state, text = (str(subtask[field]) for field in ("id", "state", "text"))
            # What is only planned is numbered anew in each plan: the same id may say another thing.
            before = (self._steps.get(key) or Step(id=key, text=text))._replace(text=text)
            if state != before.state:
                self._move(before, state, cause, now_s)
            else:
                self._steps[key] = before

    def _move(self, before: Step, state: str, cause: str, now_s: float) -> None:
        if state == "active":
            thoughts = tuple(": ".join(thought) for thought in self._thoughts)
            step = before._replace(state=state, cause=cause, began_s=now_s, thoughts=thoughts)
            self._stretch("subtask", now_s, "active", before.text)
        else:
            step = before._replace(state=state, cause=cause, ended_s=now_s)
            began_s = now_s if before.began_s is None else before.began_s
            self._open.pop("subtask", None)
            words = f"{step.text}: {state}, {cause}"
            self._bars.append(Bar("subtask", began_s, now_s, state, words))
        self._steps[step.id] = step

    def _note_plan(self, status: Status, now_s: float) -> None:
        planning = part_of(status, "planning")
        plan = part_of(planning, "plan")
        plan_id = str(plan.get("id", ""))
        if plan_id and plan_id != self._plan_id:
            words = f"{plan_id}, because of: {plan['trigger']}"
            self._moment("plan", now_s, words)
        self._plan_id = plan_id

    def _note_loop(self, loop: Status, now_s: float) -> None:
        if not loop:
            return
        rung, decision = str(loop.get("rung", "fresh")), str(loop["last_decision"])
        words = rung.replace("_", " ")
        self._stretch("ladder", now_s, "" if rung == "fresh" else "ladder", f"ladder: {words}")
        held = "" if decision == "command" else "held"
        self._stretch("held", now_s, held, f"held: {decision.replace('_', ' ')}")
        missed: int = loop["missed_ticks"]
        if missed > self._missed >= 0:
            self._moment("misses", now_s, f"{missed - self._missed} ticks missed")
        self._missed = missed
        if loop.get("lateness_p99_ms") is not None:
            self._point("late", now_s, loop["lateness_p99_ms"])

    def _note_age(self, status: Status, now_s: float) -> None:
        if status.get("latent_age_s") is not None:
            self._point("age", now_s, status["latent_age_s"])

    def _note_newest(self, newest: Newest, now_s: float) -> None:
        chunk, decision = newest.chunk, newest.decision
        if chunk is not None and chunk.sequence != self._chunk_sequence:
            self._chunk_sequence = chunk.sequence
            self._moment("chunks", now_s, f"chunk {chunk.sequence}")
            self._point("gate", now_s, chunk.gate_mean)
        action = None if decision is None else decision.action
        for number, value in enumerate([] if action is None else action.tolist()):
            known = number < len(newest.action_names)
            name = newest.action_names[number] if known else f"action {number}"
            self._actions.setdefault(name, deque()).append((now_s, value))
        for stamp_ns, words in newest.faults:
            if stamp_ns > self._newest_fault_ns:
                self._newest_fault_ns = stamp_ns
                self._moment("faults", self._seconds(stamp_ns), words)
        self._note_memory(newest.memory)

    def _note_memory(self, report: MemoryReport | None) -> None:
        """Once in a while: as many as a chart can show are to reach over all that is kept."""
        if report is None:
            return
        at_s = self._seconds(report.stamp_ns)
        period_s = self._kept_s / _MOST_MEMORIES
        if not self._memory or at_s - self._memory[-1].at_s >= period_s:
            attention = list(report.attention.values())
            sample = memory_sample(at_s, report.times_s, report.kept_by, attention)
            self._memory.append(sample)

    def _note_stop(self, stop: Status, now_s: float) -> None:
        words = f"stopped by {stop['source']}: {stop['reason']}" if stop else ""
        self._stretch("faults", now_s, "faults" if stop else "", words)

    def _stretch(self, lane: str, now_s: float, look: str, words: str) -> None:
        """From now on a lane says this; no look is nothing."""
        before = self._open.get(lane)
        if before is not None and (before.look, before.words) == (look, words):
            return
        if before is not None:
            self._bars.append(before._replace(last_s=now_s))
            del self._open[lane]
        if look:
            self._open[lane] = Bar(lane, now_s, now_s, look, words)

    def _moment(self, lane: str, at_s: float, words: str) -> None:
        self._bars.append(Bar(lane, at_s, at_s, lane, words))

    def _point(self, curve: str, at_s: float, value: float) -> None:
        self._curves.setdefault(curve, deque()).append((at_s, value))

    def _curve(self, name: str) -> list[tuple[float, float]]:
        return list(self._curves.get(name, ()))

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - (self._start_ns or 0)) / _NS_PER_S

    def _forget(self, before_s: float) -> None:
        """Let go of what is older than is kept."""
        while self._bars and self._bars[0].last_s < before_s:
            self._bars.popleft()
        for points in (*self._curves.values(), *self._actions.values()):
            while points and points[0][0] < before_s:
                points.popleft()
        while self._views and self._views[0].at_s < before_s:
            self._views.popleft()


def _fewer(bars: list[Bar]) -> list[Bar]:
    """Of each lane as many bars as can be told apart, evenly."""
    lanes: dict[str, list[Bar]] = {}
    for bar in bars:
        lanes.setdefault(bar.lane, []).append(bar)
    return [bar for lane in lanes.values() for bar in lane[:: -(-len(lane) // _MOST_IN_LANE)]]


def _trigger(planning: Status) -> str:
    plan = part_of(planning, "plan")
    return f"{plan['id']}, asked because of: {plan['trigger']}" if plan else ""
