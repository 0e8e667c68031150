import pytest

from bridge.clock import ManualClock
from bridge.messages import Hold, HoldReason
from bridge.testing import example_chunk
from bridge.trace import TraceEvent
from fast_brain.control_node import ControlNode
from tests.fast_brain.node_rig import S_NS, TICK_NS, Rig, seen


class Ring:
    """Keeps what was emitted."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def publish(self, event: TraceEvent) -> None:
        """Take one."""
        self.events.append(event)

    def of(self, kind: str) -> list[TraceEvent]:
        """The events of a kind."""
        return [event for event in self.events if event.kind == kind]


def _traced(clock: ManualClock) -> tuple[Rig, Ring]:
    rig, ring = Rig(ControlNode, clock), Ring()
    rig.outputs["trace"] = ring  # pyright: ignore[reportArgumentType]  # All it needs to be.
    rig.node.start()
    return rig, ring


def test_the_limits_are_told_at_the_start(clock: ManualClock) -> None:
    """The trace begins with the limits that are kept, and with those that were waived and why."""
    _, ring = _traced(clock)
    facts = ring.of("safety.limits")[0].facts
    assert facts["max_jerk"] == [250.0, 250.0, 2500.0]
    assert facts["waived"] == "{}"
    # 0.1 s of braking and 0.02 s of jerk, at 100 Hz; a plan looks twice as far, and two ticks more.
    assert (facts["stop_ticks"], facts["planned_ticks"]) == (pytest.approx(12.0), 26)


def test_verdicts_and_holds_are_told_when_they_change(clock: ManualClock) -> None:
    """A clip names its filters and sizes once, not each tick; a hold names its reason."""
    rig, ring = _traced(clock)
    rig.put(observation=seen(S_NS)).step(S_NS)
    for tick in range(1, 4):
        now_ns = S_NS + tick * TICK_NS
        rig.put(observation=seen(now_ns), chunk=example_chunk(start_stamp_ns=S_NS)).step(now_ns)
    kinds = [event.facts["reason"] for event in ring.of("robot.held")]
    assert kinds == [HoldReason.NO_CHUNK.value]
    assert len(ring.of("robot.released")) == 1
    clipped = [e for e in ring.of("safety.verdict") if e.facts["verdict"] == "clipped"]
    assert 0 < len(clipped) < 4
    for event in clipped:
        assert any(name.endswith("_by") and size for name, size in event.facts.items())


def test_moves_on_the_ladder_are_told(clock: ManualClock) -> None:
    """An observation that grows old moves the robot to hold, and the status says so too."""
    rig, ring = _traced(clock)
    rig.put(observation=seen(S_NS)).step(S_NS)
    for tick in range(1, 70):
        rig.step(S_NS + tick * TICK_NS)
    (moved,) = ring.of("ladder.moved")
    assert (moved.facts["before"], moved.facts["rung"]) == ("fresh", "hold")
    assert moved.facts["cause"] == "observation"
    assert rig.got("loop_status").rung == "hold"
    assert isinstance(rig.got("command"), Hold)
