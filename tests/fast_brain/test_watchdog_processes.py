import signal

import pytest

from tests.fast_brain.watchdog_processes import DEAD_MAN_S, running_pair


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_a_loop_that_dies_or_freezes_stops_the_robot(number: signal.Signals) -> None:
    """Whatever ended or froze the loop's process, the robot is told to stop, and told why."""
    with running_pair() as pair:
        assert pair.next_word() == "heard"
        pair.send(number)
        assert pair.next_word() == "the control loop is silent"
        request = pair.stop_request()
    assert request is not None
    assert request.latched
    assert f"more than {DEAD_MAN_S} s" in request.reason


def test_a_loop_that_thaws_is_heard_but_the_robot_stays_stopped() -> None:
    """After SIGCONT the watchdog is armed again, and the latch remains for a person to open."""
    with running_pair() as pair:
        assert pair.next_word() == "heard"
        pair.send(signal.SIGSTOP)
        assert pair.next_word() == "the control loop is silent"
        pair.send(signal.SIGCONT)
        assert pair.next_word() == "heard"
        request = pair.stop_request()
        assert request is not None
        assert request.latched
        pair.send(signal.SIGKILL)
        assert pair.next_word() == "the control loop is silent"
