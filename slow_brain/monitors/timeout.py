"""A subtask that takes too long has failed."""

from bridge import Evidence, Subtask, SubtaskReport, SubtaskState, seconds_between


class TimeoutMonitor:
    """Failed when the subtask has been under way for longer than it may take.

    Args:
        limit_s: A limit of its own [s]; the subtask's own time counts too, whichever is shorter.
    """

    def __init__(self, *, limit_s: float = float("inf")) -> None:
        self._limit_s = self._allowed_s = limit_s
        self._subtask_id, self._since_ns = "", 0

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Start the stop-watch."""
        self._subtask_id, self._since_ns = subtask.id, now_ns
        self._allowed_s = min(self._limit_s, subtask.timeout_s)

    def rested(self, rested_ns: int) -> None:
        """A pause is no time of the subtask's."""
        self._since_ns += rested_ns

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:  # noqa: ARG002  # Time is enough.
        """Look at the stop-watch."""
        passed_s = seconds_between(self._since_ns, now_ns)
        if passed_s <= self._allowed_s:
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id,
            state=SubtaskState.FAILED,
            reason=f"it has taken {passed_s:.3g} s, and {self._allowed_s:g} s are allowed",
            stamp_ns=now_ns,
        )
