import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from agent.config import RuntimeConfig
from agent.graph import Graph, MailboxSpec, NodeSpec
from agent.recording.config import RecordingConfig
from agent.recording.reading import Trace
from agent.recording.wiring import recorded
from agent.runtime_ray import RayRuntime
from bridge.messages import Goal, StopRequest
from bridge.transports.segments import list_segments

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def run_recorded_to(folder: Path) -> RayRuntime:
    """A counter of 50 Hz that is recorded."""
    node = NodeSpec(
        name="a", node_class="toy_nodes:Telling", config=None, rate_hz=50.0, outputs={"out": "a"}
    )
    mailboxes = (
        MailboxSpec(name="a", kind=Goal, capacity_bytes=4096),
        MailboxSpec(name="stop", kind=StopRequest, capacity_bytes=4096, external=True),
    )
    runtime = RuntimeConfig(stop_timeout_s=4.0, restart_backoff_s=0.1)
    graph = Graph(nodes=(node,), mailboxes=mailboxes, runtime=runtime)
    return RayRuntime(recorded(graph, folder, RecordingConfig()))


def test_the_death_of_the_recorder_never_ends_the_run(tmp_path: Path) -> None:
    """Killed, it comes back and goes on in a new part; the trace says so, and nothing is left."""
    folder = tmp_path / "run"
    run = run_recorded_to(folder)
    try:
        run.start()
        first = run.health()["recorder"].pid
        assert run.run_until(lambda: int(run.read("a").text if run.read("a") else 0) > 60, 20)
        os.kill(first, signal.SIGKILL)
        assert run.run_until(lambda: run.health()["recorder"].pid != first, 40)
        assert run.run_until(lambda: run.health()["recorder"].ready, 20)
        assert not run.stopped_because
    finally:
        run.stop()
    trace = Trace(folder)
    events = list(trace)
    assert len(trace.files) == 2
    told = [(event.node, event.kind) for event in events]
    assert ("supervisor", "node.down") in told
    assert told.count(("supervisor", "run.ending")) == 1
    # After the stop the last word of every node was still taken.
    counted = [event.facts["steps"] for event in events if event.kind == "toy.closed"]
    assert counted == [int(run.read("a").text)]
    assert [path for path in list_segments() if f"-{os.getpid()}-" in path.name] == []
