"""What people say about waiting, and how much time has passed that counts for no time limit."""

from bridge.messages import PauseRequest


class Pauses:
    """Follows the newest request to wait, or to go on. Pure: times are given.

    A request says how long the robot was made to wait before it, so that a pause is counted in full
    even if nobody looked while it lasted.
    """

    def __init__(self) -> None:
        self._request: PauseRequest | None = None
        self._rested_ns = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the robot is to stay where it is."""
        return self._request is not None and self._request.is_waiting

    @property
    def may_think(self) -> bool:
        """Whether the planner may be asked."""
        return self._request is None or self._request.mode != "paused"

    @property
    def rested_ns(self) -> int:
        """How long the robot has been made to wait in this run, as of the last look [ns]."""
        return self._rested_ns

    def resume(self, rested_ns: int) -> None:
        """Go on where one that fell had come to."""
        self._rested_ns = rested_ns

    def heed(self, request: PauseRequest | None, now_ns: int) -> int:
        """Look at the newest request; how long the robot has waited since the last look [ns]."""
        if request is None:
            return 0
        self._request = request
        before_ns = self._rested_ns
        self._rested_ns = max(before_ns, request.rested_until_ns(now_ns))
        return self._rested_ns - before_ns
