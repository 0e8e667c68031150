import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.errors import ConfigError, UnknownNameError
from bridge.messages import ActionChunk, Command, Hold, HoldReason, LoopStatus, StopRequest
from bridge.testing import example_chunk
from bridge.trace import TraceEvent
from bridge.transports.ring import LocalRing
from fast_brain.control_node import ControlNode
from tests.fast_brain.node_rig import S_NS, TICK_NS, Rig, seen


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    """A control node that has started."""
    rig = Rig(ControlNode, clock)
    rig.node.start()
    return rig


def _still(start_ns: int) -> ActionChunk:
    """A chunk that stays at zero."""
    chunk = example_chunk(start_stamp_ns=start_ns)
    return ActionChunk(
        actions=np.zeros_like(chunk.actions),
        start_stamp_ns=start_ns,
        step_s=0.05,
        sequence=1,
        observation_sequence=0,
        observation_stamp_ns=start_ns,
        latent_age_s=0.25,
    )


def test_every_beat_publishes_a_decision(rig: Rig) -> None:
    """A command while there is a chunk to play, a hold with its reason otherwise."""
    rig.put(observation=seen(S_NS)).step(S_NS)
    assert rig.got("command").reason is HoldReason.NO_CHUNK
    rig.put(chunk=_still(S_NS)).step(S_NS + TICK_NS)
    assert isinstance(rig.got("command"), Command)
    assert rig.count("command") == 2


def test_a_person_can_stop_the_loop(rig: Rig) -> None:
    """A latched stop in the mailbox turns the next decision into a hold."""
    stop = StopRequest(reason="button", source="http", latched=True, stamp_ns=S_NS)
    rig.put(observation=seen(S_NS), chunk=_still(S_NS), stop=stop).step(S_NS + TICK_NS)
    assert rig.got("command").reason is HoldReason.STOPPED


def test_a_restarted_loop_finds_the_stop(rig: Rig, clock: ManualClock) -> None:
    """The latch is in the mailbox: a new node before the same mailboxes holds from the start."""
    stop = StopRequest(reason="button", source="http", latched=True, stamp_ns=S_NS)
    rig.put(observation=seen(S_NS), stop=stop).step(S_NS)
    again = Rig(ControlNode, clock)
    again.put(**{name: box.read() for name, box in rig.inputs.items() if box.version})
    again.node.start()
    again.put(observation=seen(2 * S_NS), chunk=_still(2 * S_NS)).step(2 * S_NS)
    assert again.got("command").reason is HoldReason.STOPPED


def test_the_loop_tells_its_cadence(rig: Rig) -> None:
    """Ten times a second the status says rate, misses, starved ticks, latent age, last decision."""
    rig.put(chunk=_still(S_NS))
    for tick in range(100):
        now_ns = S_NS + tick * TICK_NS
        rig.put(observation=seen(now_ns)).step(now_ns)
    status = rig.got("loop_status")
    assert isinstance(status, LoopStatus)
    assert rig.count("loop_status") == 10
    assert (status.ticks, status.missed_ticks, status.lateness_max_ms) == (91, 0, 0.0)
    assert status.effective_rate_hz == pytest.approx(100.0)
    assert status.last_decision == "chunk_expired"
    # Rows at 0, 50, … 200 ms: 21 ticks with an action, the rest starved.
    assert status.starved_ticks == 91 - 21
    assert status.latent_age_s == pytest.approx(0.25 + 0.9)


def test_a_late_beat_shows_in_the_status(rig: Rig) -> None:
    """The node sees for itself that it was stepped 25 ms late, and two beats were missed."""
    rig.step(S_NS).step(S_NS + TICK_NS * 7 // 2)
    for tick in range(4, 20):
        rig.step(S_NS + tick * TICK_NS)
    assert rig.got("loop_status").missed_ticks == 2
    assert rig.got("loop_status").lateness_max_ms == 25.0


def test_a_veto_is_told_as_trouble(rig: Rig) -> None:
    """Why the last chunk was refused stands in the node's health until a good one comes."""
    assert rig.node.last_error == ""
    bad = example_chunk(start_stamp_ns=S_NS, sequence=3)
    nan = np.full_like(bad.actions, np.nan)
    rig.put(
        observation=seen(S_NS),
        chunk=ActionChunk(
            actions=nan,
            start_stamp_ns=S_NS,
            step_s=0.05,
            sequence=3,
            observation_sequence=0,
            observation_stamp_ns=S_NS,
        ),
    ).step(S_NS)
    assert isinstance(rig.got("command"), Hold)
    assert "not finite" in rig.node.last_error
    rig.put(chunk=_still(S_NS)).step(S_NS + TICK_NS)
    assert rig.node.last_error == ""


def test_an_unknown_stitcher_is_refused_at_the_start(clock: ManualClock) -> None:
    """A wrong name in the settings ends the start with the near match, before anything moves."""
    rig = Rig(ControlNode, clock, stitcher="latests")
    with pytest.raises(UnknownNameError, match="latest"):
        rig.node.start()


def test_stepping_before_the_start_is_an_error(clock: ManualClock) -> None:
    """A node that was not started says so instead of commanding."""
    with pytest.raises(ConfigError, match="start"):
        Rig(ControlNode, clock).step(S_NS)


def test_the_trace_hears_of_every_tick(clock: ManualClock) -> None:
    """Ten batches a second carry each tick's lateness, sections, decision and verdict."""
    ring = LocalRing[TraceEvent]()
    rig = Rig(ControlNode, clock)
    rig.outputs["trace"] = ring  # pyright: ignore[reportArgumentType]  # Whoever emits only publishes.
    rig.node.start()
    rig.put(chunk=_still(S_NS))
    for tick in range(40):
        late_ns = 3_000_000 if tick == 25 else 0
        now_ns = S_NS + tick * TICK_NS + late_ns
        rig.put(observation=seen(now_ns)).step(now_ns)
    rig.node.close()
    batches = [event.facts for event in ring.drain() if event.kind == "control.ticks"]
    assert len(batches) == 4
    late_us = [late for batch in batches for late in batch["late_us"]]
    assert (len(late_us), late_us[25], sum(late_us)) == (40, 3000.0, 3000.0)
    for name in ("observe_us", "pick_us", "filter_us", "command_us", "publish_us"):
        assert len([took for batch in batches for took in batch[name]]) == 40
    decisions = [decision for batch in batches for decision in batch["decisions"]]
    assert set(decisions) == {"command", "chunk_expired"}
    assert batches[0]["chunk_sequences"][0] == 1
    assert batches[0]["verdicts"][0] == "passed"


def test_the_status_says_where_the_time_goes_and_what_the_kernel_granted(rig: Rig) -> None:
    """Every section has its figures, and the priority is told, whatever it is."""
    rig.step(S_NS)
    status = rig.got("loop_status")
    assert list(status.sections) == ["observe", "pick", "filter", "command", "publish"]
    assert status.sections["publish"].max_ms > 0
    assert "cores" in status.priority
