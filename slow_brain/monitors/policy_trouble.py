"""A policy that gives no chunks, or that does not know what to do, needs another plan."""

from bridge import Evidence, Subtask, SubtaskReport, SubtaskState, seconds_between
from slow_brain.monitors.consecutive import ConsecutiveHits

# What the control loop says when it has nothing to carry out.
_STARVED = ("no_chunk", "chunk_expired")


class PolicyTroubleMonitor:
    """Stuck when the loop has been without a chunk for long, or the policy is unsure.

    Args:
        starved_limit_s: How long the loop may go without a chunk [s].
        uncertainty_limit: From which `ActionChunk.uncertainty` on the policy is unsure, in the
            policy's own unit; a policy without such a figure is never unsure.
        confirmations: How many unsure chunks in a row; one may be noise.
        ends_subtask: Report it as failed, instead of asking the planner to look again.
    """

    def __init__(
        self,
        *,
        starved_limit_s: float = 3.0,
        uncertainty_limit: float = float("inf"),
        confirmations: int = 3,
        ends_subtask: bool = False,
    ) -> None:
        self._starved_limit_s = starved_limit_s
        self._uncertainty_limit = uncertainty_limit
        self._confirmations = confirmations
        self._hits = ConsecutiveHits(confirmations)
        self._state = SubtaskState.FAILED if ends_subtask else SubtaskState.ACTIVE
        self._subtask_id, self._fed_ns = "", 0

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """A new subtask is given time for its first chunk."""
        self._subtask_id, self._fed_ns = subtask.id, now_ns
        self._hits.forget()

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Look at what the control loop decides, and at the newest chunk."""
        trouble = self._starved(evidence, now_ns) or self._unsure(evidence)
        if not trouble:
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id, state=self._state, reason=trouble, stamp_ns=now_ns
        )

    def _starved(self, evidence: Evidence, now_ns: int) -> str:
        status = evidence.loop_status
        if status is None or status.last_decision not in _STARVED:
            self._fed_ns = now_ns
            return ""
        starved_s = seconds_between(self._fed_ns, now_ns)
        if starved_s < self._starved_limit_s:
            return ""
        # Counted anew, so that it is said once in a while and not at every look.
        self._fed_ns = now_ns
        return f"the policy has given nothing to do for {starved_s:.3g} s ({status.last_decision})"

    def _unsure(self, evidence: Evidence) -> str:
        chunk = evidence.chunk
        if chunk is None or chunk.subtask_id != self._subtask_id or chunk.uncertainty is None:
            return ""
        # Whatever is not below the limit, nan among it, is no certainty.
        is_hit = not chunk.uncertainty < self._uncertainty_limit
        if not self._hits.note(chunk.sequence, is_hit=is_hit):
            return ""
        self._hits.forget()
        return (
            f"the policy's uncertainty is {chunk.uncertainty:.3g}, at least "
            f"{self._uncertainty_limit:g} {self._confirmations} times in a row"
        )
