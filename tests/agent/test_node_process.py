import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from agent.graph import NodeSpec
from agent.node_process import NodeProcess, RunPhase
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Give the frozen heap back to the collector."""
    yield
    gc.unfreeze()


ASKED_TO_END = RunPhase(is_running=True, ending=("a",))


class Lived:
    """The life of a toy node that is asked to end at once."""

    def __init__(
        self, kind: str = "Counter", asked: RunPhase = ASKED_TO_END, **settings: Any
    ) -> None:
        self.trace = LocalRing[TraceEvent]()
        self.health, phase = InProcessLatestValue[Any](), InProcessLatestValue[RunPhase]()
        phase.publish(asked)
        spec = NodeSpec(
            name="a", node_class=f"toy_nodes:{kind}", config=None, rate_hz=100.0, **settings
        )
        outputs: Any = {"trace": self.trace}
        self.process = NodeProcess(
            spec, inputs={}, outputs=outputs, health=self.health, phase=phase
        )

    def live(self) -> Any:
        """Live, and give the last sign of life."""
        self.process.live()
        return self.health.read()


def test_a_process_tells_the_trace_how_it_began() -> None:
    """What the kernel granted stands in the trace, and the heap is out of the collector's way."""
    lived = Lived()
    sign = lived.live()
    (started,) = [event for event in lived.trace.drain() if event.kind == "process.started"]
    assert started.facts["pid"] == os.getpid()
    assert started.facts["granted"] == sign.detail
    assert "cores" in sign.detail
    assert gc.get_freeze_count() > 0


def test_what_the_kernel_refuses_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is told that there is no real-time priority, what it means, and where to look."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setattr(os, "setpriority", refuse)
    sign = Lived(realtime_priority=20, nice=-10).live()
    assert sign.notice == (
        "the kernel refused SCHED_FIFO 20: Operation not permitted; nice -10: Operation not "
        "permitted: beside a busy planner its beats may come some 4 ms late. `agent doctor` says "
        "how to permit it"
    )


def test_what_a_node_raises_is_its_last_word() -> None:
    """The error leaves the process unchanged, after the health has told it."""
    lived = Lived("NotStarting")
    with pytest.raises(RuntimeError, match="no such camera"):
        lived.live()
    sign: Any = lived.health.read()
    assert sign.last_error == "RuntimeError: no such camera"


def test_a_node_ends_when_its_owner_was_killed() -> None:
    """A process whose owner is gone lets go of its node, although nobody asks it to."""
    with subprocess.Popen([sys.executable, "-c", ""]) as owner:
        owner.wait(30)
    lived = Lived(asked=RunPhase(is_running=True, owner_pid=owner.pid))
    assert not lived.live().ready
