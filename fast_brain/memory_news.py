"""Tells who watches what the policy remembered when it made a chunk, and what it looked at."""

from bridge.clock import seconds_between
from bridge.memory_use import MemoryReport, MemoryUse, ShowsMemoryUse, TellsKeepers
from bridge.messages import ActionChunk, MemoryView
from bridge.nodes import Mailboxes, blaming, publish_output
from bridge.protocols import Memory, Policy
from bridge.trace import TRACE, TraceFact, emit

_PERIOD_S = 0.1
# What the policy's node calls the mailbox for who watches the run.
REPORT = "memory_report"


class MemoryNews:
    """Emits `policy.memory`, and writes `memory_report`, with a chunk: ten times a second at most.

    Args:
        outputs: Of the policy's node.
        policy: Asked how it read the memory, if it can say.
        memory: Asked what keeps its entries, if it can say; None without one.
    """

    def __init__(self, outputs: Mailboxes, policy: Policy, memory: Memory | None) -> None:
        self._outputs = outputs
        self._policy = policy
        self._memory = memory
        self._told_ns: int | None = None

    def tell(self, chunk: ActionChunk, read: MemoryView, now_ns: int) -> None:
        """Tell what was read for a chunk, before stale latents were left out of it."""
        if self._memory is None or not {TRACE, REPORT} & set(self._outputs):
            return
        if self._told_ns is not None and seconds_between(self._told_ns, now_ns) < _PERIOD_S:
            return
        self._told_ns = now_ns
        times_s = [float(time_s) for time_s in read.time_s]
        keepers, use = self._keepers(len(times_s), now_ns), self._use()
        facts: dict[str, TraceFact] = {
            "chunk_sequence": chunk.sequence,
            "latent_sequence": read.latent_sequence,
            "now_s": read.now_s,
            "times_s": times_s,
            "ages_s": [read.now_s - time_s for time_s in times_s],
            "kept_by": keepers,
            **_facts_of(use),
        }
        if read.cognitive_time_s is not None:
            facts["cognitive_times_s"] = [float(time_s) for time_s in read.cognitive_time_s]
        emit(self._outputs, "policy.memory", now_ns, **facts)
        publish_output(self._outputs, REPORT, _report(times_s, keepers, use, now_ns))

    def _use(self) -> MemoryUse | None:
        if not isinstance(self._policy, ShowsMemoryUse):
            return None
        with blaming(type(self._policy).__name__, "memory_use"):
            return self._policy.memory_use()

    def _keepers(self, count: int, now_ns: int) -> list[str]:
        if not isinstance(self._memory, TellsKeepers):
            return ["" for _ in range(count)]
        with blaming(type(self._memory).__name__, "keepers"):
            return list(self._memory.keepers(now_ns))


def _report(
    times_s: list[float], keepers: list[str], use: MemoryUse | None, now_ns: int
) -> MemoryReport:
    attention = {} if use is None else use.attention
    return MemoryReport(
        stamp_ns=now_ns,
        times_s=tuple(times_s),
        kept_by=tuple(keepers),
        attention={stream: tuple(weights) for stream, weights in attention.items()},
        gate_means={} if use is None else use.gate_means,
    )


def _facts_of(use: MemoryUse | None) -> dict[str, TraceFact]:
    """By stream; a policy that looked at no latent, or cannot tell, adds nothing."""
    if use is None:
        return {}
    weights = {f"{stream}_attention": each for stream, each in use.attention.items()}
    gates = {f"{stream}_gate_mean": each for stream, each in use.gate_means.items()}
    return {**weights, **gates}
