"""What is told of each tick: figures since the beginning, and ten batches a second for the trace.

One event a batch, not one a tick: encoding a batch takes a few microseconds, after its last tick's
command is on its way.
"""

from bridge.messages import Command, Decision, SectionFigures
from bridge.nodes import Mailboxes
from bridge.trace import emit
from fast_brain.rate_keeper import TimeHistogram
from fast_brain.section_timer import SECTIONS, Section, SectionTimer

_NS_PER_US = 1000.0
_BATCH_NS = 100_000_000
_SHARES = (0.5, 0.99, 0.999)


class TickBook:
    """Counts the sections of every tick, and tells the trace of each ten times a second."""

    def __init__(self, sections: SectionTimer, outputs: Mailboxes) -> None:
        self._sections = sections
        self._outputs = outputs
        self._histograms: dict[Section, TimeHistogram] = {s: TimeHistogram() for s in SECTIONS}
        self._begin_batch()

    def note(self, now_ns: int, late_ns: int, skipped: int, decision: Decision) -> None:
        """Count the tick that has just ended.

        Args:
            now_ns: When it woke up [ns].
            late_ns: How late that was [ns].
            skipped: How many deadlines had passed meanwhile.
            decision: What it published.
        """
        if not self._stamps_ns:
            self._began_ns = now_ns
        self._stamps_ns.append(now_ns)
        self._late_us.append(late_ns / _NS_PER_US)
        self._skipped += skipped
        for section, histogram in self._histograms.items():
            took_ns = self._sections.took_ns(section)
            histogram.add(took_ns)
            self._took_us[section].append(took_ns / _NS_PER_US)
        self._note_decision(decision)
        if now_ns - self._began_ns >= _BATCH_NS:
            self.tell()

    def tell(self) -> None:
        """Tell the trace what was noted since the last time."""
        if not self._stamps_ns:
            return
        took = {f"{section}_us": took_us for section, took_us in self._took_us.items()}
        emit(
            self._outputs,
            "control.ticks",
            self._began_ns,
            at_us=[(stamp_ns - self._began_ns) / _NS_PER_US for stamp_ns in self._stamps_ns],
            late_us=self._late_us,
            missed=self._skipped,
            decisions=self._decisions,
            verdicts=self._verdicts,
            clipped_by=self._clipped_by,
            chunk_sequences=self._chunk_sequences,
            chunk_indices=self._chunk_indices,
            actions=self._actions,
            action_width=self._action_width,
            has_action=self._has_action,
            **took,
        )
        self._begin_batch()

    def figures(self) -> dict[str, SectionFigures]:
        """Each section's times since the beginning."""
        return {section: _figures(times) for section, times in self._histograms.items()}

    def _note_decision(self, decision: Decision) -> None:
        is_command = isinstance(decision, Command)
        self._decisions.append("command" if is_command else str(decision.reason))
        self._verdicts.append(decision.verdict.kind if is_command else "")
        self._clipped_by.append(decision.verdict.clipped_by if is_command else 0.0)
        self._chunk_sequences.append(decision.chunk_sequence if is_command else -1)
        self._chunk_indices.append(decision.chunk_index if is_command else -1)
        if decision.action is not None:
            # Row by row, only of ticks that sent something: `has_action` says which.
            self._actions.extend(decision.action.tolist())
            self._action_width = decision.action.shape[0]
        self._has_action.append(decision.action is not None)

    def _begin_batch(self) -> None:
        self._began_ns = self._skipped = 0
        self._stamps_ns: list[int] = []
        self._late_us: list[float] = []
        self._took_us: dict[str, list[float]] = {section: [] for section in SECTIONS}
        self._decisions: list[str] = []
        self._verdicts: list[str] = []
        self._clipped_by: list[float] = []
        self._chunk_sequences: list[int] = []
        self._chunk_indices: list[int] = []
        self._actions: list[float] = []
        self._has_action: list[int] = []
        self._action_width = 0


def _figures(times: TimeHistogram) -> SectionFigures:
    p50_ms, p99_ms, p999_ms = times.percentiles_ms(_SHARES)
    return SectionFigures(p50_ms=p50_ms, p99_ms=p99_ms, p999_ms=p999_ms, max_ms=times.max_ms)
