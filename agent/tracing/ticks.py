"""One tick of the control loop out of the batches in which they are recorded."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from agent.recording.reading import RecordedEvent
from agent.tracing.runs import Run

TICKS = "control.ticks"
_NS_PER_US = 1000


class Tick(NamedTuple):
    """What was decided in one tick; `decision` is "command" or the reason of a hold.

    `action` [A] is what the robot was sent, in the units of its `ActionSpec`: None if it was sent
    nothing, or if that is not recorded, as `is_action_recorded` says.
    """

    stamp_ns: int
    decision: str
    verdict: str
    clipped_by: float
    chunk_sequence: int
    chunk_index: int
    late_us: float
    action: tuple[float, ...] | None
    is_action_recorded: bool

    @property
    def is_command(self) -> bool:
        """Whether the robot was commanded, and not held."""
        return self.decision == "command"


def tick_at(run: Run, stamp_ns: int) -> Tick | None:
    """The last tick at or before a moment [ns]; None if none is recorded of the time before it."""
    batch = run.newest(TICKS, stamp_ns)
    if batch is None:
        return None
    return max(
        (tick for tick in ticks_of(batch) if tick.stamp_ns <= stamp_ns),
        key=lambda tick: tick.stamp_ns,
        default=None,
    )


def ticks_of(batch: RecordedEvent) -> Iterator[Tick]:
    """The ticks of one batch, in order."""
    facts = batch.facts
    actions = _actions(facts)
    for row, at_us in enumerate(facts["at_us"]):
        yield Tick(
            stamp_ns=batch.stamp_ns + round(at_us * _NS_PER_US),
            decision=facts["decisions"][row],
            verdict=facts["verdicts"][row],
            clipped_by=facts["clipped_by"][row],
            chunk_sequence=facts["chunk_sequences"][row],
            chunk_index=facts["chunk_indices"][row],
            late_us=facts["late_us"][row],
            action=actions[row],
            is_action_recorded="actions" in facts,
        )


def _actions(facts: dict[str, Any]) -> list[tuple[float, ...] | None]:
    """Row by row what was sent; an agent of before did not record it."""
    has_action: list[bool] = facts.get("has_action", [False] * len(facts["at_us"]))
    values: Iterator[float] = iter(facts.get("actions", ()))
    width: int = facts.get("action_width", 0)
    return [tuple(next(values) for _ in range(width)) if has else None for has in has_action]
