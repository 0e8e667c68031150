"""The planner's own word: a plan that says the subtask under way is done."""

from bridge import Evidence, Subtask, SubtaskReport, SubtaskState
from slow_brain.monitors.consecutive import ConsecutiveHits


class PlannerVerdictMonitor:
    """Done when that many plans in a row, made while the subtask is under way, say so.

    Args:
        confirmations: How many plans in a row.
    """

    def __init__(self, *, confirmations: int = 1) -> None:
        self._hits = ConsecutiveHits(confirmations)
        self._confirmations = confirmations
        self._subtask_id, self._since_ns = "", 0

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Count anew: what was said before was said of another subtask."""
        self._subtask_id, self._since_ns = subtask.id, now_ns
        self._hits.forget()

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Look at the newest plan, if it is of this subtask's time."""
        plan = evidence.plan
        if plan is None or plan.observation_stamp_ns < self._since_ns:
            return None
        if not self._hits.note(plan.id, is_hit=plan.current_subtask_done):
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id,
            state=SubtaskState.DONE,
            reason=f"the planner says so, {self._confirmations} times in a row",
            stamp_ns=now_ns,
        )
