"""A control loop and a watchdog as two real processes, for tests that freeze and kill the loop."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Self

from bridge.clock import SystemClock
from bridge.messages import Hold, HoldReason, StopRequest
from bridge.transports.shared_memory import SharedLatestValue
from fast_brain.config import FastBrainConfig, FastBrainNodeConfig
from fast_brain.watchdog_node import WatchdogNode

DEAD_MAN_S = 0.2
_PERIOD_NS = 10_000_000
# Nothing here may wait for ever, on however slow a machine [s].
LIMIT_S = 30.0


class Pair:
    """A loop that decides 100 times a second, and the watchdog that listens to it."""

    def __init__(self, command: SharedLatestValue[Any], stop: SharedLatestValue[Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._heard, says = context.Pipe(duplex=False)
        self.loop = context.Process(target=_decide, args=(command,), daemon=True)
        self.watchdog = context.Process(target=_watch, args=(command, stop, says), daemon=True)
        self._stop = stop

    def __enter__(self) -> Self:
        self.loop.start()
        self.watchdog.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.loop, self.watchdog):
            process.kill()
            process.join(LIMIT_S)

    def send(self, number: signal.Signals) -> None:
        """Send the loop a signal."""
        assert self.loop.pid is not None
        os.kill(self.loop.pid, number)

    def next_word(self, limit_s: float = LIMIT_S) -> str:
        """What the watchdog says next, "" if nothing within the limit [s]."""
        return self._heard.recv() if self._heard.poll(limit_s) else ""

    def stop_request(self) -> StopRequest | None:
        """What the robot would read."""
        return self._stop.read()


@contextmanager
def running_pair() -> Generator[Pair]:
    """Both processes between two mailboxes; nothing of them is left afterwards."""
    options: dict[str, Any] = {"run_id": f"watchdog{os.getpid()}", "capacity_bytes": 4096}
    with (
        SharedLatestValue[Any].create("command", Hold, **options) as command,
        SharedLatestValue[Any].create("watchdog_stop", StopRequest, **options) as stop,
    ):
        try:
            with Pair(command, stop) as pair:
                yield pair
        finally:
            command.unlink()
            stop.unlink()


def _decide(command: SharedLatestValue[Any]) -> None:
    clock = SystemClock()
    while True:
        now_ns = clock.now_ns()
        command.publish(Hold(reason=HoldReason.NO_CHUNK, stamp_ns=now_ns))
        clock.sleep_until_ns(now_ns + _PERIOD_NS)


def _watch(command: SharedLatestValue[Any], stop: SharedLatestValue[Any], says: Connection) -> None:
    clock, told = SystemClock(), ""
    node = WatchdogNode(
        config=FastBrainNodeConfig(fast_brain=FastBrainConfig(dead_man_s=DEAD_MAN_S)),
        inputs={"command": command},
        outputs={"watchdog_stop": stop},
        clock=clock,
    )
    while command.read() is None:
        clock.sleep_until_ns(clock.now_ns() + _PERIOD_NS)
    says.send("heard")
    while True:
        node.step(clock.now_ns())
        if node.last_error != told:
            told = node.last_error
            says.send(told or "heard")
        clock.sleep_until_ns(clock.now_ns() + _PERIOD_NS)
