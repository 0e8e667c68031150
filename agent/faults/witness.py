"""Watches a run from outside, as a person could, and keeps everything that it said."""

import re

from agent.faults.inspector import Inspection
from agent.runtime import Runtime
from bridge.messages import PlanningStatus, SubtaskState

_NOTHING = Inspection()


class Witness:
    """Ask it all the time; one per goal."""

    def __init__(self, run: Runtime, goal_id: str) -> None:
        self._run = run
        self._goal_id = goal_id
        self._incidents_before = len(run.incidents)
        self._before: Inspection = run.read("inspection") or _NOTHING
        self._began_ns = run.clock.now_ns()
        self._said: dict[str, None] = {}
        # What was still being said when this goal began; it counts once it has changed.
        self._old_errors = {name: sign.last_error for name, sign in run.health().items()}
        self._done: list[str] = []
        self._planning: PlanningStatus | None = None
        self.repeated = ""

    @property
    def is_done(self) -> bool:
        """Whether the goal is met."""
        status = self._planning
        return status is not None and self._is_of_goal(status) and status.phase == "goal_done"

    @property
    def has_given_up(self) -> bool:
        """Whether the planner has given the goal up."""
        status = self._planning
        return status is not None and self._is_of_goal(status) and status.phase == "goal_failed"

    def has_heard(self, pattern: str) -> bool:
        """Whether anything that was said matches; an empty pattern matches nothing needed."""
        return not pattern or any(re.search(pattern, text) for text in self.everything_said())

    def look(self) -> None:
        """Note what is new."""
        self._note_planning(self._run.read("planning"))
        for name, sign in self._run.health().items():
            if sign.last_error == self._old_errors.get(name, ""):
                continue
            self._old_errors[name] = ""
            if sign.last_error:
                self._said[f"{name}: {sign.last_error}"] = None
        stop = self._run.read("watchdog_stop")
        if stop is not None and stop.stamp_ns >= self._began_ns:
            self._said[f"watchdog: {stop.reason}"] = None

    def inspection(self) -> Inspection:
        """What the inspector has seen, from the beginning of the run."""
        return self._run.read("inspection") or _NOTHING

    def new_violations(self) -> tuple[list[str], list[str]]:
        """Commands outside the limits, and commands too late, of this goal; in words."""
        now, before = self.inspection(), self._before
        limits = now.limits[-(now.limit_violations - before.limit_violations) :]
        late = now.late[-(now.late_violations - before.late_violations) :]
        return (
            list(limits) if now.limit_violations > before.limit_violations else [],
            list(late) if now.late_violations > before.late_violations else [],
        )

    def everything_said(self) -> list[str]:
        """Errors, reasons of holds, verdicts, incidents and the run's end, each once."""
        incidents = [
            f"{failure.node} {failure.kind}: {failure.reason} → {type(decision).__name__}"
            for failure, decision in self._run.incidents[self._incidents_before :]
        ]
        end = [f"ended: {self._run.stopped_because}"] if self._run.stopped_because else []
        before = self._before.said
        verdicts = [
            text for text, count in self.inspection().said.items() if count > before.get(text, 0)
        ]
        return [*self._said, *verdicts, *incidents, *end]

    def _note_planning(self, status: PlanningStatus | None) -> None:
        if status is None or status is self._planning:
            return
        self._planning = status
        if status.reason:
            self._said[f"plan: {status.reason}"] = None
        if self._is_of_goal(status):
            self._note_repeats(status)

    def _is_of_goal(self, status: PlanningStatus) -> bool:
        return status.goal is not None and status.goal.id == self._goal_id

    def _note_repeats(self, status: PlanningStatus) -> None:
        """What was done must stay done, and must not be begun again."""
        done = [each.text for each in status.subtasks if each.state is SubtaskState.DONE]
        under_way = [each.text for each in status.subtasks if each.state is SubtaskState.ACTIVE]
        if done[: len(self._done)] != self._done:
            self.repeated = f"{self._done} were done, then only {done}"
        for text in under_way:
            if text in self._done:
                self.repeated = f"{text!r} was begun again although it was done"
        self._done = done
