import pytest

from bridge.clock import ManualClock
from bridge.messages import Hold, HoldReason, StopRequest
from fast_brain.watchdog_node import WatchdogNode
from tests.fast_brain.node_rig import S_NS, Rig


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    """A watchdog that allows half a second."""
    rig = Rig(WatchdogNode, clock, dead_man_s=0.5)
    rig.node.start()
    return rig


def _sign(stamp_ns: int) -> Hold:
    return Hold(reason=HoldReason.NO_CHUNK, stamp_ns=stamp_ns)


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
