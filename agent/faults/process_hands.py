"""How faults are done to real processes, by signals, by removing what they need, and by order."""

import os
import signal

import psutil

from agent.faults.cases import FaultCase
from agent.faults.kinds import FOR_GOOD_S, KINDS
from agent.faults.orders import FaultOrder
from agent.runtime_ray import RayRuntime
from bridge.errors import ConfigError
from bridge.transports.segments import list_segments

_NS_PER_S = 1_000_000_000
# What one node writes alone: gone, it hurts nobody who is attached to it.
_SEGMENTS = ("observation", "planning", "latent", "chunk", "command", "loop_status")


class ProcessHands:
    """Break things in a run of processes.

    Args:
        run: The run.
        number: Of the fault; a node obeys an order with a higher number than it has outlived.
    """

    def __init__(self, run: RayRuntime, number: int) -> None:
        self._run = run
        self._number = number

    def break_it(self, case: FaultCase) -> None:
        """Do it."""
        kind = KINDS[case.kind]
        match kind.how:
            case "kill":
                self._signal(kind.target, signal.SIGKILL)
            case "pause":
                self._signal(kind.target, signal.SIGSTOP)
            case "segment":
                self._remove_segment(case)
            case "ray":
                _kill_helper(kind.target)
            case _:
                self._order(case)

    def mend_it(self, case: FaultCase) -> None:
        """Let a stopped process go on."""
        kind = KINDS[case.kind]
        if kind.how == "pause":
            self._signal(kind.target, signal.SIGCONT)

    def _signal(self, node: str, number: signal.Signals) -> None:
        os.kill(self._run.health()[node].pid, number)

    def _order(self, case: FaultCase) -> None:
        kind = KINDS[case.kind]
        lasts_s = case.duration_s or FOR_GOOD_S
        order = FaultOrder(
            kind=case.kind,
            target=kind.target,
            until_ns=self._run.clock.now_ns() + round(lasts_s * _NS_PER_S),
            seed=case.seed,
            number=self._number,
            extra_s=case.duration_s if kind.how == "slow" else 0.0,
        )
        self._run.publish("fault", order)

    def _remove_segment(self, case: FaultCase) -> None:
        """Remove the name of one mailbox; who is attached keeps the memory."""
        target = KINDS[case.kind].target
        name = "chunk" if target else _SEGMENTS[case.seed % len(_SEGMENTS)]
        for path in list_segments():
            if f"-{os.getpid()}-" in path.name and path.name.endswith(f"-{name}"):
                path.unlink()
        if target:
            self._signal(target, signal.SIGKILL)


def _kill_helper(name: str) -> None:
    """Kill one of Ray's own processes.

    Raises:
        ConfigError: There is none of that name.
    """
    for child in psutil.Process().children(recursive=True):
        if child.name() == name:
            child.kill()
            return
    raise ConfigError(f"This run has no process called {name!r} to kill.")
