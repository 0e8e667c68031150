from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import ManualClock
from bridge.messages import Command, Hold, HoldReason, StopRequest, Verdict
from fast_brain.watchdog_node import WatchdogNode
from tests.fast_brain.node_rig import S_NS, Rig

MS_NS = 1_000_000


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    """A watchdog that allows half a second."""
    return _rig(clock)


def _rig(clock: ManualClock) -> Rig:
    rig = Rig(WatchdogNode, clock, dead_man_s=0.5)
    rig.node.start()
    return rig


def _sign(stamp_ns: int) -> Hold:
    return Hold(reason=HoldReason.NO_CHUNK, stamp_ns=stamp_ns)


def _command(stamp_ns: int, sequence: int) -> Command:
    return Command(
        action=np.zeros(3, np.float32),
        stamp_ns=stamp_ns,
        sequence=sequence,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )


def _release(stamp_ns: int) -> StopRequest:
    return StopRequest(reason="go on", source="http", latched=False, stamp_ns=stamp_ns)


def test_it_waits_for_the_first_sign(rig: Rig) -> None:
    """While the loop has not begun, its silence is no reason to stop."""
    rig.step(3600 * S_NS)
    assert rig.got("watchdog_stop") is None


def test_a_silent_loop_is_stopped_once(rig: Rig) -> None:
    """Past the limit one latched stop is published, and says how long the silence was."""
    rig.put(command=_sign(S_NS)).step(S_NS * 3 // 2)
    assert rig.got("watchdog_stop") is None
    for now_ns in (S_NS * 8 // 5, 2 * S_NS, 3 * S_NS):
        rig.step(now_ns)
    stop = rig.got("watchdog_stop")
    assert isinstance(stop, StopRequest)
    assert stop.latched
    assert "0.60 s" in stop.reason
    assert rig.count("watchdog_stop") == 1
    assert rig.node.last_error


def test_it_is_armed_again_when_the_loop_is_heard(rig: Rig) -> None:
    """A second silence gives a second stop; the release of the first is a person's business."""
    rig.put(command=_sign(S_NS)).step(2 * S_NS)
    rig.put(command=_sign(3 * S_NS)).step(3 * S_NS)
    assert rig.count("watchdog_stop") == 1
    assert rig.node.last_error == ""
    rig.step(4 * S_NS)
    assert rig.count("watchdog_stop") == 2
    rig.node.close()


@pytest.mark.parametrize(
    "repeat",
    [
        lambda now_ns, number: _sign(2 * S_NS),
        lambda now_ns, number: _command(now_ns, 7),
        lambda now_ns, number: _sign(now_ns + 3600 * S_NS),
        lambda now_ns, number: _sign(2 * S_NS - number),
    ],
    ids=["same stamp", "same number", "stamps of the future", "stamps that go back"],
)
def test_a_loop_that_speaks_but_does_not_go_on_is_stopped(rig: Rig, repeat: Any) -> None:
    """Messages alone are no sign of life: time and number have to advance."""
    rig.put(command=_command(2 * S_NS - MS_NS, 7)).step(2 * S_NS)
    for number in range(60):
        now_ns = 2 * S_NS + number * 10 * MS_NS
        rig.put(command=repeat(now_ns, number)).step(now_ns)
    assert rig.count("watchdog_stop") == 1


def test_a_loop_that_counts_anew_is_alive(rig: Rig) -> None:
    """After a restart of the loop its commands begin at one again, which is progress."""
    for number, sequence in enumerate([41, 42, 1, 2]):
        now_ns = S_NS + number * 400 * MS_NS
        rig.put(command=_command(now_ns, sequence)).step(now_ns)
    assert rig.count("watchdog_stop") == 0


def test_a_watchdog_that_was_frozen_does_not_blame_the_loop(rig: Rig) -> None:
    """Its own sleep of an hour is no silence of a loop that went on meanwhile."""
    rig.put(command=_sign(S_NS)).step(S_NS)
    now_ns = 3600 * S_NS
    rig.put(command=_sign(now_ns - 10 * MS_NS)).step(now_ns)
    assert rig.count("watchdog_stop") == 0


def test_a_watchdog_that_is_restarted_sees_that_the_loop_is_dead(rig: Rig) -> None:
    """An old decision found at the start is no sign of life."""
    rig.put(command=_sign(S_NS)).step(10 * S_NS)
    assert rig.count("watchdog_stop") == 1


def test_a_release_does_not_free_a_robot_whose_loop_is_dead(rig: Rig) -> None:
    """Released while the loop is still silent, the robot is stopped again at once."""
    rig.put(command=_sign(S_NS)).step(2 * S_NS)
    rig.put(stop=_release(3 * S_NS)).step(3 * S_NS).step(4 * S_NS)
    assert rig.count("watchdog_stop") == 2
    assert rig.got("watchdog_stop").stamp_ns == 3 * S_NS


@given(st.lists(st.integers(1, 499), min_size=1, max_size=30), st.integers(501, 5000))
def test_it_speaks_if_and_only_if_the_silence_is_too_long(
    steps_ms: list[int], silence_ms: int
) -> None:
    """A loop with gaps within the limit is left alone, one gap beyond it stops the robot."""
    rig, now_ns = _rig(ManualClock()), S_NS
    for step_ms in steps_ms:
        rig.put(command=_sign(now_ns)).step(now_ns)
        now_ns += step_ms * MS_NS
        rig.step(now_ns)
        assert rig.count("watchdog_stop") == 0
    rig.put(command=_sign(now_ns)).step(now_ns).step(now_ns + silence_ms * MS_NS)
    assert rig.count("watchdog_stop") == 1
