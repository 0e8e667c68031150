"""What people have asked for in this run, and what became of it; bounded, and knows no HTTP."""

from collections import deque
from typing import Literal

import msgspec

from bridge.messages import Goal, PlanningStatus, Remark

MOST_GOALS = 50
MOST_REMARKS = 20
Outcome = Literal["under way", "done", "failed", "replaced"]
_OUTCOMES: dict[str, Outcome] = {"goal_done": "done", "goal_failed": "failed"}


class GoalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One goal, what was said about it (the newest last, at most 20), and how it ended.

    `ended_stamp_ns` is when the end was noticed [ns]; 0 while it is under way. A goal that another
    took the place of is "replaced", whether or not it would have been met.
    """

    goal: Goal
    remarks: tuple[Remark, ...] = ()
    outcome: Outcome = "under way"
    reason: str = ""
    ended_stamp_ns: int = 0


class GoalHistory:
    """Keeps the newest 50 goals of a run. For one thread."""

    def __init__(self) -> None:
        self._records: deque[GoalRecord] = deque(maxlen=MOST_GOALS)

    @property
    def goals(self) -> tuple[GoalRecord, ...]:
        """The newest first."""
        return tuple(reversed(self._records))

    def begin(self, goal: Goal) -> None:
        """Another goal takes the place of the one there was."""
        self._end("replaced", f"by {goal.text!r}", goal.stamp_ns)
        self._records.append(GoalRecord(goal=goal))

    def hear(self, remark: Remark) -> None:
        """Somebody has said something about the newest goal."""
        if self._records:
            newest = self._records.pop()
            remarks = (*newest.remarks, remark)[-MOST_REMARKS:]
            self._records.append(msgspec.structs.replace(newest, remarks=remarks))

    def look(self, planning: PlanningStatus | None, now_ns: int) -> None:
        """Take note of whether the newest goal has come to its end by now [ns]."""
        if planning is None or planning.goal is None or planning.phase not in _OUTCOMES:
            return
        if self._records and planning.goal.id == self._records[-1].goal.id:
            self._end(_OUTCOMES[planning.phase], planning.reason, now_ns)

    def _end(self, outcome: Outcome, reason: str, now_ns: int) -> None:
        """What has ended stays as it ended."""
        if not self._records or self._records[-1].outcome != "under way":
            return
        ended = msgspec.structs.replace(
            self._records.pop(), outcome=outcome, reason=reason, ended_stamp_ns=now_ns
        )
        self._records.append(ended)
