"""The latch of the emergency stop: closed by anyone, opened by an explicit release only.

It has no memory of its own that could be lost: it is read from mailboxes, which are shared memory
and outlive the process of the loop. A loop that was restarted finds the stop still there.
"""

from collections.abc import Iterable

from bridge.messages import StopRequest


class EmergencyStop:
    """Whether the robot is stopped, by the newest requests of all that may stop it.

    A release counts for every latched request that is older; of two with the same stamp the
    latched one counts, and time that seems to go back releases nothing.
    """

    def __init__(self) -> None:
        self._newest: StopRequest | None = None

    @property
    def request(self) -> StopRequest | None:
        """What counts now: the newest request, latched or not."""
        return self._newest

    @property
    def is_latched(self) -> bool:
        """Whether nothing may move."""
        return self._newest is not None and self._newest.latched

    def notice(self, requests: Iterable[StopRequest | None]) -> bool:
        """Look at the newest request of each mailbox; say whether another one counts than before.

        Callable each beat: the same request again is no news.
        """
        before = self._newest
        for request in requests:
            if request is not None and request != self._newest and self._counts(request):
                self._newest = request
        return self._newest is not before

    def _counts(self, request: StopRequest) -> bool:
        known = self._newest
        if known is None or request.stamp_ns > known.stamp_ns:
            return True
        return request.stamp_ns == known.stamp_ns and request.latched and not known.latched
