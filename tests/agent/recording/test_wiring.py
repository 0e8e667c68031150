from pathlib import Path

import pytest

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.config import RecordingConfig
from agent.recording.reading import Trace
from agent.recording.wiring import recorded
from agent.runtime_local import LocalRuntime
from bridge.errors import ConfigError
from bridge.messages import Goal


def test_a_recorded_graph_is_the_same_graph_watched(tmp_path: Path) -> None:
    """Each node gets a ring of its own; the recorder may die, and ends after the robot."""
    plain = build_graph(load_config("point_arm"))
    graph = recorded(plain, tmp_path, RecordingConfig())
    assert graph.node_names() == (*plain.node_names(), "recorder")
    recorder = graph.node("recorder")
    assert (recorder.optional, recorder.restart) == (True, "on_failure")
    for name in plain.node_names():
        ring = graph.node(name).outputs["trace"]
        assert graph.writers_of(ring) == (name,)
        assert graph.readers_of(ring) == ("recorder",)
    assert graph.end_order() == (plain.node_names()[:0:-1], ("robot",), ("recorder",))


def test_a_run_in_virtual_time_can_be_recorded(tmp_path: Path) -> None:
    """The recorder is a node like any other: what happened is in the trace when the run is over."""
    config = load_config("point_arm")
    graph = recorded(build_graph(config), tmp_path / "run", config.recording)
    run = LocalRuntime(graph)
    run.start()
    run.publish("goal", Goal(text="reach left", id="g", source="test", stamp_ns=run.clock.now_ns()))
    run.run_until(lambda: False, 5)
    with pytest.raises(ConfigError, match=r"trace\.control"):
        run.read("trace.control")
    run.stop()
    trace = Trace(tmp_path / "run")
    kinds = {(event.node, event.kind) for event in trace}
    assert trace.is_complete
    assert ("mailbox", "goal") in kinds
    assert ("control", "control.ticks") in kinds
    assert ("policy", "policy.chunk") in kinds
    assert ("planner", "planner.plan") in kinds
