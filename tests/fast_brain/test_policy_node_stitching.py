"""The policy's node with a stitcher that has a half there: when it is asked, and what it learns."""

import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import ActionChunk, Command, Hold, HoldReason, Verdict
from bridge.trace import TraceEvent
from fast_brain.policy_node import PolicyNode
from tests.fast_brain.node_rig import S_NS, Rig, acting, make_flow_policy, seen

STEP_NS = S_NS // 50
FLOW = f"{make_flow_policy.__module__}:make_flow_policy"


class Trace:
    """Keeps every event a node tells."""

    def __init__(self) -> None:
        self.events: list[TraceEvent] = []

    def publish(self, event: TraceEvent) -> None:
        """Take an event."""
        self.events.append(event)

    def stitched(self) -> dict[str, object]:
        """The facts of the newest stitched chunk; empty if there was none."""
        found = [event for event in self.events if event.kind == "chunk.stitched"]
        return dict(found[-1].facts) if found else {}


def _rig(clock: ManualClock, **settings: object) -> Rig:
    settings = {"policy": FLOW, "stitcher": "rtc"} | settings
    rig = Rig(PolicyNode, clock, **settings)
    rig.outputs["trace"] = Trace()  # pyright: ignore[reportArgumentType]
    rig.node.start()
    return rig


def _beat(rig: Rig, clock: ManualClock, stamp_ns: int) -> dict[str, object]:
    """One chunk of a picture of this time; the facts it told the trace."""
    clock.sleep_until_ns(stamp_ns)
    rig.put(observation=seen(stamp_ns), planning=acting()).step(stamp_ns)
    return _told(rig)


def _told(rig: Rig) -> dict[str, object]:
    trace = rig.outputs["trace"]
    assert isinstance(trace, Trace)
    return trace.stitched()


def _command(stamp_ns: int) -> Command:
    return Command(
        action=np.zeros(3, np.float32),
        stamp_ns=stamp_ns,
        sequence=1,
        verdict=Verdict(kind="passed"),
        chunk_sequence=1,
        chunk_index=0,
    )


def test_the_second_chunk_goes_on_from_the_first(clock: ManualClock) -> None:
    """What was published binds the next chunk, and the trace tells how much of it."""
    rig = _rig(clock)
    assert _beat(rig, clock, S_NS)["leftover_rows"] == 0
    rig.put(command=_command(S_NS))
    facts = _beat(rig, clock, S_NS + 2 * STEP_NS)
    assert facts["leftover_rows"] == 3
    chunk = rig.got("chunk")
    assert isinstance(chunk, ActionChunk)
    assert facts["chunk_sequence"] == chunk.sequence == 2


def test_a_held_robot_is_not_bound_to_what_it_did_not_do(clock: ManualClock) -> None:
    """While the control loop holds, chunks begin from what is seen, not from the plan before."""
    rig = _rig(clock)
    _beat(rig, clock, S_NS)
    rig.put(command=Hold(reason=HoldReason.STOPPED, stamp_ns=S_NS))
    assert _beat(rig, clock, S_NS + 2 * STEP_NS)["leftover_rows"] == 0


def test_delay_is_measured_on_the_nodes_clock(clock: ManualClock) -> None:
    """What passes between the picture and the publication counts, in rows."""
    rig = _rig(clock)
    clock.sleep_until_ns(S_NS + 3 * STEP_NS)
    rig.put(observation=seen(S_NS), planning=acting()).step(S_NS)
    assert _told(rig)["delay_measured_rows"] == 2


def test_a_new_goal_forgets_what_is_under_way(clock: ManualClock) -> None:
    """The first chunk of an episode is bound to nothing."""
    rig = _rig(clock)
    _beat(rig, clock, S_NS)
    now_ns = S_NS + 2 * STEP_NS
    clock.sleep_until_ns(now_ns)
    rig.put(observation=seen(now_ns, episode="another"), planning=acting()).step(now_ns)
    assert _told(rig)["leftover_rows"] == 0


def test_a_policy_that_cannot_be_steered_is_refused_at_the_start(clock: ManualClock) -> None:
    """Before anything moves, one sentence says what does not fit."""
    rig = Rig(PolicyNode, clock, stitcher="rtc")
    with pytest.raises(ConfigError, match=r"Stitcher 'rtc' cannot work with the policy FakePolicy"):
        rig.node.start()


def test_a_stitcher_with_one_half_leaves_the_policy_alone(clock: ManualClock) -> None:
    """With the baseline the policy itself is asked, and there is nothing to tell."""
    rig = _rig(clock, stitcher="latest")
    rig.put(observation=seen(S_NS), planning=acting()).step(S_NS)
    assert rig.count("chunk") == 1
    assert not _told(rig)
