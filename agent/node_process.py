"""What runs inside a node's own process: start, wait for the word, keep the beat, let go.

A plain class; `agent/ray_actors.py` makes an actor of it. Everything about the node happens in
the one call of `live`, because a renderer or a real-time priority belongs to one thread.
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from agent.graph_parts import NodeSpec
from agent.logs import configure_logs
from agent.node_host import NodeHost
from agent.process_cost import ProcessCost
from bridge.clock import SystemClock
from bridge.messages import NodeHealth
from bridge.protocols import LatestValue
from bridge.trace import emit
from fast_brain.realtime import (
    RealtimeReport,
    become_realtime,
    keep_heap,
    read_realtime,
    run_at_rate,
)

_NS_PER_US = 1000
_WAIT_NS = 10_000_000


class RunPhase(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the run asks of its processes: to begin, and which nodes are to end.

    `owner_pid` is the process that asks, 0 if there is none of its own.
    """

    is_running: bool
    ending: tuple[str, ...] = ()
    owner_pid: int = 0


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
        spec = self._spec
        configure_logs(node=spec.name)
        clock = SystemClock(final_spin_ns=round(spec.final_spin_us * _NS_PER_US))
        cores = len(os.sched_getaffinity(0))
        cost = ProcessCost(spec.name, spec.rate_hz, cores, time.process_time_ns)
        host = NodeHost(
            spec,
            inputs=self._inputs,
            outputs=self._outputs,
            health=self._health,
            clock=clock,
            cost=cost,
        )
        last_error = ""
        try:
            host.start()
            self._declared_spec = host.declared_spec
            granted = _tell_the_kernel(spec)
            host.detail, host.notice = str(granted), _refusals(granted)
            facts = {"pid": os.getpid(), "granted": host.detail, "spin_us": spec.final_spin_us}
            emit(self._outputs, "process.started", clock.now_ns(), **facts)
            host.report(ready=True)
            self._wait_for_the_word(clock)
            cost.begin(clock.now_ns())
            run_at_rate(host, clock, spec.rate_hz, self._should_end)
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
        return phase is not None and (self._spec.name in phase.ending or _is_orphaned(phase))


def _is_orphaned(phase: RunPhase) -> bool:
    """Whether who ran us was killed: nobody will ask us to end, and the robot must be let go."""
    if not phase.owner_pid:
        return False
    try:
        os.kill(phase.owner_pid, 0)
    except ProcessLookupError:
        return True
    return False


def _tell_the_kernel(spec: NodeSpec) -> RealtimeReport:
    """Say how much this process matters, now that everything is loaded; answer what it got."""
    if "torch" in sys.modules:
        # OMP_NUM_THREADS came too late for a library that started its threads itself.
        sys.modules["torch"].set_num_threads(1)
    if spec.realtime_priority or spec.nice < 0 or spec.cpu is not None:
        return become_realtime(priority=spec.realtime_priority, nice=spec.nice, cpu=spec.cpu)
    os.nice(spec.nice)
    keep_heap()
    return read_realtime(is_heap_frozen=True)


def _refusals(granted: RealtimeReport) -> str:
    """What the kernel refused, and what that means; nothing when it granted all."""
    if not granted.notes:
        return ""
    return (
        f"the kernel refused {'; '.join(granted.notes)}: beside a busy planner its beats may come "
        "some 4 ms late. `agent doctor` says how to permit it"
    )
