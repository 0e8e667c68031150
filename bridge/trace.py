"""What happened, as one small event at a time: how a node tells the trace without ever waiting.

A node emits into its output `trace`, a bounded ring that drops and counts when nobody drains it.
Without such an output, as in a unit test or a run that is not recorded, an event goes nowhere.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.nodes import Mailboxes

TraceFact = str | int | float | bool | None | list[int] | list[float] | list[str]

# What a node calls its own ring.
TRACE = "trace"


class TraceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened in one node.

    `kind` is a dotted name, "ladder.moved"; `stamp_ns` is the monotonic time at which it happened;
    `facts` are the numbers and names that explain it, each with its unit in its name.
    """

    kind: str
    stamp_ns: int
    facts: Mapping[str, Any]


def emit(outputs: Mailboxes, kind: str, stamp_ns: int, **facts: TraceFact) -> None:
    """Tell the trace; never blocks, never raises for want of room."""
    ring = outputs.get(TRACE)
    if ring is not None:
        ring.publish(TraceEvent(kind=kind, stamp_ns=stamp_ns, facts=facts))
