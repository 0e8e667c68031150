"""The dead man's switch: when the control loop makes no progress, the robot is told to stop.

It runs in a process of its own and looks at the loop's messages alone, by the machine's monotonic
clock: a loop that died, hangs, was frozen, or repeats itself looks the same from here, and what
the wall clock does is of no concern.
"""

from bridge.clock import seconds_between
from bridge.messages import Command, Decision, StopRequest
from bridge.nodes import Mailboxes, publish_output, read_input
from bridge.protocols import Clock
from bridge.trace import emit
from fast_brain.config import FastBrainNodeConfig


class WatchdogNode:
    """Reads `command` and `stop`; writes `watchdog_stop` after `dead_man_s` without progress.

    Progress is a decision with a later stamp, that is not of the future and, if it is a command,
    has another number. The loop's first decision arms it. It speaks once per silence, and again if
    a person releases the stop while the loop is still silent; it is armed anew when the loop goes
    on. The stop stays latched until a person releases it.
    """

    def __init__(
        self,
        *,
        config: FastBrainNodeConfig,
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> None:
        del clock
        self._limit_s = config.fast_brain.dead_man_s
        self._inputs = inputs
        self._outputs = outputs
        self._stamp_ns = -1
        self._number: int | None = None
        self._went_on_ns: int | None = None
        self._spoke_ns: int | None = None

    @property
    def last_error(self) -> str:
        """That the loop makes no progress, while it makes none."""
        return "the control loop is silent" if self._spoke_ns is not None else ""

    def start(self) -> None:
        """Nothing to load."""

    def step(self, now_ns: int) -> None:
        """Look for how long the loop has made no progress."""
        decision: Decision | None = read_input(self._inputs, "command")
        if decision is None:
            return
        if self._is_progress(decision, now_ns):
            # By its own stamp: neither the sleep of a watchdog counts as silence of the loop, nor
            # an old decision that a restarted watchdog finds as a sign of life.
            self._went_on_ns = min(decision.stamp_ns, now_ns)
        elif self._went_on_ns is None:
            self._went_on_ns = now_ns
        silent_s = seconds_between(self._went_on_ns, now_ns)
        if silent_s <= self._limit_s:
            self._note_life(now_ns)
        elif self._spoke_ns is None or self._is_released_since(self._spoke_ns):
            self._speak(silent_s, now_ns)

    def close(self) -> None:
        """Nothing to free."""

    def _is_progress(self, decision: Decision, now_ns: int) -> bool:
        is_of_the_future = seconds_between(now_ns, decision.stamp_ns) > self._limit_s
        if decision.stamp_ns <= self._stamp_ns or is_of_the_future:
            return False
        if isinstance(decision, Command):
            if decision.sequence == self._number:
                return False
            self._number = decision.sequence
        self._stamp_ns = decision.stamp_ns
        return True

    def _is_released_since(self, spoke_ns: int) -> bool:
        stop: StopRequest | None = read_input(self._inputs, "stop")
        return stop is not None and not stop.latched and stop.stamp_ns > spoke_ns

    def _note_life(self, now_ns: int) -> None:
        if self._spoke_ns is not None:
            emit(self._outputs, "watchdog.heard", now_ns)
        self._spoke_ns = None

    def _speak(self, silent_s: float, now_ns: int) -> None:
        self._spoke_ns = now_ns
        request = StopRequest(
            reason=f"the control loop has been silent for {silent_s:.2f} s, "
            f"more than {self._limit_s} s",
            source="watchdog",
            latched=True,
            stamp_ns=now_ns,
        )
        publish_output(self._outputs, "watchdog_stop", request)
        emit(self._outputs, "watchdog.stopped", now_ns, silent_s=silent_s, limit_s=self._limit_s)
