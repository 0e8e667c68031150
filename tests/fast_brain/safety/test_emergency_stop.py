from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import StopRequest
from fast_brain.safety import EmergencyStop

REQUESTS = st.builds(
    StopRequest,
    reason=st.just("test"),
    source=st.sampled_from(["http", "watchdog"]),
    latched=st.booleans(),
    stamp_ns=st.integers(0, 5),
)


def _stop(stamp_ns: int, *, latched: bool = True, source: str = "http") -> StopRequest:
    return StopRequest(reason="test", source=source, latched=latched, stamp_ns=stamp_ns)


def test_nothing_is_latched_before_the_first_request() -> None:
    """Without a request the robot may move."""
    latch = EmergencyStop()
    assert not latch.notice([None, None])
    assert not latch.is_latched
    assert latch.request is None


def test_it_stays_latched_until_a_newer_release() -> None:
    """An older release, and the same request again, change nothing; a newer release opens it."""
    latch = EmergencyStop()
    assert latch.notice([_stop(5)])
    assert not latch.notice([_stop(5)])
    assert not latch.notice([_stop(4, latched=False)])
    assert latch.is_latched
    assert latch.notice([_stop(6, latched=False)])
    assert not latch.is_latched


def test_a_stop_of_the_watchdog_counts_against_an_older_release() -> None:
    """Of several mailboxes the newest request counts, whoever wrote it."""
    latch = EmergencyStop()
    latch.notice([_stop(5, latched=False), _stop(6, source="watchdog")])
    assert latch.is_latched


def test_a_restarted_loop_is_still_stopped() -> None:
    """The latch is in the mailbox: a new one that reads the same messages is latched as well."""
    mailboxes = [_stop(5), _stop(3, latched=False, source="watchdog")]
    old, new = EmergencyStop(), EmergencyStop()
    old.notice(mailboxes)
    new.notice(mailboxes)
    assert new.is_latched == old.is_latched is True


@given(st.lists(REQUESTS, min_size=1, max_size=20))
def test_only_a_release_newer_than_every_stop_opens_it(requests: list[StopRequest]) -> None:
    """In whatever order they come: open only if a release is later than all that stop."""
    latch = EmergencyStop()
    for request in requests:
        latch.notice([request])
    stops = [request.stamp_ns for request in requests if request.latched]
    releases = [request.stamp_ns for request in requests if not request.latched]
    assert latch.is_latched == (bool(stops) and max(stops) >= max(releases, default=-1))
