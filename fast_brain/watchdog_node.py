"""The dead man's switch: when the control loop falls silent, the robot is told to stop."""

from bridge.clock import seconds_between
from bridge.messages import Command, Hold, StopRequest
from bridge.nodes import Mailboxes, publish_output, read_input
from bridge.protocols import Clock
from fast_brain.config import FastBrainNodeConfig


class WatchdogNode:
    """Reads `command`; writes `watchdog_stop` when the newest one is older than `dead_man_s`.

    The loop's first sign of life, a command or a hold, arms it. It speaks once per silence, and is
    armed again when the loop is heard again; the stop stays latched until a person releases it.
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
        self._has_spoken = False

    @property
    def last_error(self) -> str:
        """That the loop is silent, while it is."""
        return "the control loop is silent" if self._has_spoken else ""

    def start(self) -> None:
        """Nothing to load."""

    def step(self, now_ns: int) -> None:
        """Look how old the loop's last sign of life is."""
        sign: Command | Hold | None = read_input(self._inputs, "command")
        if sign is None:
            return
        silent_s = seconds_between(sign.stamp_ns, now_ns)
        if silent_s <= self._limit_s:
            self._has_spoken = False
        elif not self._has_spoken:
            self._has_spoken = True
            publish_output(self._outputs, "watchdog_stop", self._request(silent_s, now_ns))

    def close(self) -> None:
        """Nothing to free."""

    def _request(self, silent_s: float, now_ns: int) -> StopRequest:
        return StopRequest(
            reason=f"the control loop has been silent for {silent_s:.2f} s, "
            f"more than {self._limit_s} s",
            source="watchdog",
            latched=True,
            stamp_ns=now_ns,
        )
