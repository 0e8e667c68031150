"""What runs inside a node's own process: start, wait for the word, keep the beat, let go.

A plain class; `agent/ray_actors.py` makes an actor of it. Everything about the node happens in
the one call of `live`, because a renderer or a real-time priority belongs to one thread.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from agent.graph_parts import NodeSpec
from agent.node_host import NodeHost
from bridge.clock import SystemClock
from bridge.messages import NodeHealth
from bridge.protocols import LatestValue
from fast_brain.realtime import become_realtime, run_at_rate

_WAIT_NS = 10_000_000


class RunPhase(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the run asks of its processes: to begin, and which nodes are to end."""

    is_running: bool
    ending: tuple[str, ...] = ()


class NodeProcess:
    """One node, from start to end. `live` and `declared_spec` are called in two threads."""

    def __init__(
        self,
        spec: NodeSpec,
        *,
        inputs: Mapping[str, LatestValue[Any]],
        outputs: Mapping[str, LatestValue[Any]],
        health: LatestValue[NodeHealth],
        phase: LatestValue[RunPhase],
    ) -> None:
        self._spec = spec
        self._inputs = inputs
        self._outputs = outputs
        self._health = health
        self._phase = phase
        self._declared_spec: object = None

    def declared_spec(self) -> object:
        """What the node declares, once its health says that it is ready."""
        return self._declared_spec

    def live(self) -> None:
        """The node's whole life; returns when the run asks it to end.

        Raises:
            TandemError: Whatever the node raises; it has been closed by then.
        """
        clock = SystemClock()
        host = NodeHost(
            self._spec,
            inputs=self._inputs,
            outputs=self._outputs,
            health=self._health,
            clock=clock,
        )
        last_error = ""
        try:
            host.start()
            self._declared_spec = host.declared_spec
            host.detail = _tell_the_kernel(self._spec)
            host.report(ready=True)
            self._wait_for_the_word(clock)
            run_at_rate(host, clock, self._spec.rate_hz, self._should_end)
        except BaseException as error:
            last_error = f"{type(error).__name__}: {error}"
            raise
        finally:
            try:
                host.close()
            finally:
                host.report(ready=False, error=last_error)

    def _wait_for_the_word(self, clock: SystemClock) -> None:
        """Wait until all nodes fit together; bounded by the run, which kills who waits too long."""
        while not (self._should_end() or self._is_running()):
            clock.sleep_until_ns(clock.now_ns() + _WAIT_NS)

    def _is_running(self) -> bool:
        phase = self._phase.read()
        return phase is not None and phase.is_running

    def _should_end(self) -> bool:
        phase = self._phase.read()
        return phase is not None and self._spec.name in phase.ending


def _tell_the_kernel(spec: NodeSpec) -> str:
    """Say how much this process matters, now that everything is loaded; answer what it got."""
    if "torch" in sys.modules:
        # OMP_NUM_THREADS came too late for a library that started its threads itself.
        sys.modules["torch"].set_num_threads(1)
    if spec.realtime_priority or spec.nice < 0 or spec.cpu is not None:
        report = become_realtime(priority=spec.realtime_priority, nice=spec.nice, cpu=spec.cpu)
        return str(report)
    return f"nice {os.nice(spec.nice)}"
