"""A planner that raises, is late, leaks and hangs among real processes: who it was, and no harm."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.config import RecordingConfig
from agent.recording.reading import Trace
from agent.recording.wiring import recorded
from agent.runtime_ray import RayRuntime
from bridge.messages import Goal

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(180)]
NAME = "misbehaving:Misbehaving"
# What is done, in the words of the goal, and what is said of it in log and trace.
BLAMES = {
    "raise": f"Plug-in '{NAME}' failed in `plan`: ValueError: out of ideas",
    "be late": rf"Plug-in {NAME}.plan took 0\.[89]\d* s, limit 0\.5 s",
    "leak": r"its process holds \d+ MB of memory, limit 700 MB",
    "hang": rf"silent for \d\.\d s, limit 4 s: plug-in {NAME}.plan",
}
SETTINGS = (
    f"slow_brain.planner={NAME}",
    "slow_brain.rate_hz=5",
    "slow_brain.goal_confirmations=1",
    "slow_brain.thinking_limit_s=0.5",
    "runtime.planner_hang_after_s=4",
    "runtime.planner_memory_limit_mb=700",
    "runtime.restart_backoff_s=0.2",
    "runtime.stop_timeout_s=4",
)


def ticks(run: RayRuntime) -> int:
    """How far the control loop has counted."""
    status = run.read("loop_status")
    return 0 if status is None else status.ticks


def harm(run: RayRuntime, goal: str, log: Sequence[Mapping[str, Any]]) -> None:
    """Ask for a goal, wait for the blame; the loop goes on meanwhile, and the goal is met."""
    run.publish("goal", Goal(text=goal, id=goal, source="test", stamp_ns=run.clock.now_ns()))
    before = ticks(run)
    assert run.run_until(lambda: bool(said(log, BLAMES[goal])), 30), log
    assert run.run_until(lambda: ticks(run) > before + 20, 10)

    def is_met() -> bool:
        status = run.read("planning")
        return status.goal is not None and (status.goal.id, status.phase) == (goal, "goal_done")

    assert run.run_until(is_met, 30), run.read("planning")


def said(log: Sequence[Mapping[str, Any]], words: str) -> list[Mapping[str, Any]]:
    """The log's lines about the planner whose reason has these words."""
    about = [entry for entry in log if entry.get("node") == "planner"]
    return [entry for entry in about if re.search(words, str(entry.get("reason", "")))]


def test_whoever_misbehaves_is_named_and_the_robot_goes_on(tmp_path: Path) -> None:
    """Each harm is blamed on its plug-in in log and trace, and falls no other process."""
    graph = build_graph(
        load_config("point_arm", (*SETTINGS, f"slow_brain.planner_options.folder={tmp_path}"))
    )
    run = RayRuntime(recorded(graph, tmp_path / "run", RecordingConfig()))
    with capture_logs() as log:
        run.start()
        try:
            others = {name: sign.pid for name, sign in run.health().items() if name != "planner"}
            for goal in BLAMES:
                harm(run, goal, log)
            left = {name: sign.pid for name, sign in run.health().items() if name != "planner"}
            assert left == others
            assert [incident.failure.node for incident in run.incidents] == ["planner", "planner"]
        finally:
            run.stop()
    kinds = ("planner.failed", "node.down")
    events = [event for event in Trace(tmp_path / "run") if event.kind in kinds]
    told = [str(event.facts.get("error", event.facts.get("reason"))) for event in events]
    for words in BLAMES.values():
        assert any(re.search(words, each) for each in told), told
