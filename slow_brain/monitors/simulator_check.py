"""What is true in a simulator's world: for evaluation only, because no robot can see it."""

from collections.abc import Mapping

from bridge import (
    ConfigError,
    ContractError,
    Evidence,
    Subtask,
    SubtaskReport,
    SubtaskState,
    WorldReport,
)
from slow_brain.monitors.consecutive import ConsecutiveHits


class SimulatorCheckMonitor:
    """Done when the simulator says that the fact of a subtask is true.

    Args:
        done_when: The fact that must be true, by the text of the subtask; a subtask that is not
            named is left to other monitors.
        confirmations: How many reports of the world in a row.
    """

    evaluation_only = True

    def __init__(self, *, done_when: Mapping[str, str], confirmations: int = 1) -> None:
        if not done_when:
            raise ConfigError("simulator_check: done_when names no subtask, so it has no use.")
        self._done_when = dict(done_when)
        self._hits = ConsecutiveHits(confirmations)
        self._subtask_id, self._since_ns, self._fact = "", 0, ""

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Look from here on at the subtask's fact, if it has one."""
        self._subtask_id, self._since_ns = subtask.id, now_ns
        self._fact = self._done_when.get(subtask.text, "")
        self._hits.forget()

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Look at the newest report of the world.

        Raises:
            ContractError: The world has no such fact.
        """
        world = evidence.world
        if not self._fact or world is None or world.stamp_ns < self._since_ns:
            return None
        if not self._hits.note(world.stamp_ns, is_hit=self._is_true(world)):
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id,
            state=SubtaskState.DONE,
            reason=f"the simulator, which no robot can ask, says {self._fact!r}",
            stamp_ns=now_ns,
        )

    def _is_true(self, world: WorldReport) -> bool:
        if self._fact not in world.facts:
            raise ContractError(
                leaf=f"world fact {self._fact!r}", expected=sorted(world.facts), got="no such fact"
            )
        return world.facts[self._fact] is True
