"""The policy's own estimate: a percentage head, or a classifier of the end."""

from bridge import Evidence, Subtask, SubtaskReport, SubtaskState
from slow_brain.monitors.consecutive import ConsecutiveHits


class PolicyProgressMonitor:
    """Done when that many chunks in a row say that the subtask is as good as over.

    Reads `ActionChunk.subtask_progress`; a classifier of the end is a head that says 0 or 1. A
    policy without such a head says nothing, and this monitor then never does either.

    Args:
        done_at: From which progress on it counts as over, in (0, 1].
        confirmations: How many chunks in a row; one may be noise.
    """

    def __init__(self, *, done_at: float = 0.95, confirmations: int = 3) -> None:
        self._done_at = done_at
        self._confirmations = confirmations
        self._hits = ConsecutiveHits(confirmations)
        self._subtask_id = ""

    def begin(self, subtask: Subtask, now_ns: int) -> None:  # noqa: ARG002  # Chunks name their subtask.
        """Count anew."""
        self._subtask_id = subtask.id
        self._hits.forget()

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Look at the newest chunk, if it was made for this subtask."""
        chunk = evidence.chunk
        if chunk is None or chunk.subtask_id != self._subtask_id or chunk.subtask_progress is None:
            return None
        # A head that says nan has not said that it is over.
        is_hit = chunk.subtask_progress >= self._done_at
        if not self._hits.note(chunk.sequence, is_hit=is_hit):
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id,
            state=SubtaskState.DONE,
            reason=(
                f"the policy says {chunk.subtask_progress:.0%} done, at least "
                f"{self._done_at:.0%} {self._confirmations} times in a row"
            ),
            stamp_ns=now_ns,
        )
