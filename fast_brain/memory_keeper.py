"""Keeps the policy's memory through a fall of its process, in a mailbox that outlives it."""

from bridge.clock import seconds_between
from bridge.errors import TandemError
from bridge.messages import MemorySnapshot
from bridge.nodes import Mailboxes, publish_output, read_input
from bridge.trace import emit
from fast_brain.policy_memory import PolicyMemory

# A restarted policy has forgotten at most this much [s]; a bank of 16 is encoded in about 1 ms.
_PERIOD_S = 1.0


class MemoryKeeper:
    """Writes the output `memory` about once a second, and reads it back after a restart.

    A memory that cannot be kept, or brought back, does not stop the policy: `trouble` says why.
    """

    def __init__(self, memory: PolicyMemory, outputs: Mailboxes) -> None:
        self._memory = memory
        self._outputs = outputs
        self._kept_ns: int | None = None
        self.trouble = ""

    def restore(self, now_ns: int) -> None:
        """Bring back what a policy before this one, which fell, had kept."""
        try:
            kept = self._read_back()
        except TandemError as error:
            self._tell("memory.not_restored", error, now_ns)
            return
        if kept is not None:
            age_s = seconds_between(kept.stamp_ns, now_ns)
            emit(self._outputs, "memory.restored", now_ns, goal_id=kept.goal.id, age_s=age_s)

    def keep(self, now_ns: int) -> None:
        """Write a snapshot if there is something new and the last is a second old."""
        is_due = self._kept_ns is None or seconds_between(self._kept_ns, now_ns) >= _PERIOD_S
        if not is_due or not self._memory.has_news:
            return
        self._kept_ns = now_ns
        try:
            publish_output(self._outputs, "memory", self._memory.snapshot(now_ns))
        except TandemError as error:
            self._tell("memory.not_kept", error, now_ns)
        else:
            self.trouble = ""

    def _read_back(self) -> MemorySnapshot | None:
        kept = read_input(self._outputs, "memory")
        if kept is not None:
            self._memory.restore(kept)
        return kept

    def _tell(self, kind: str, error: TandemError, now_ns: int) -> None:
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self.trouble:
            emit(self._outputs, kind, now_ns, error=trouble)
        self.trouble = trouble
