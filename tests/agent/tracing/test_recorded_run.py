from pathlib import Path

import pytest

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.wiring import recorded
from agent.runtime_local import LocalRuntime
from agent.tracing.diff import compare
from agent.tracing.runs import Run
from agent.tracing.story import story_of
from agent.tracing.ticks import tick_at
from agent.tracing.why import why
from bridge.messages import Command, Goal

SETTINGS = ["fast_brain.policy=straight_line"]


def play(folder: Path, *, falls: bool) -> tuple[Run, list[Command]]:
    """Record a point arm that reaches left and right, and take down some of what it was sent."""
    config = load_config("point_arm", SETTINGS)
    graph = recorded(build_graph(config), folder, config.recording, config.model_dump_json())
    run = LocalRuntime(graph)
    run.start()
    goal = Goal(text="reach both", id="g", source="test", stamp_ns=run.clock.now_ns())
    run.publish("goal", goal)
    sent = list[Command]()
    for second in range(10):
        if falls and second == 3:
            run.kill("planner")
        run.run_for(1.0)
        command = run.read("command")
        sent += [command] if isinstance(command, Command) else []
    run.stop()
    return Run(folder), sent


def test_a_run_that_was_recorded_can_be_explained(tmp_path: Path) -> None:
    """What the robot was sent is in the trace, value for value, and no link to the goal lacks."""
    run, sent = play(tmp_path / "a", falls=False)
    assert len(sent) > 5
    for command in sent:
        tick = tick_at(run, command.stamp_ns)
        assert tick is not None
        assert (tick.stamp_ns, tick.chunk_index) == (command.stamp_ns, command.chunk_index)
        assert tick.action == pytest.approx(command.action.tolist())
        answer = why(run, run.seconds(command.stamp_ns))
        assert [link.says for link in answer.links if not link.is_recorded] == []
        assert "'reach both', from test" in [link.says for link in answer.links]
    told = story_of(run)
    assert told.goals[0].subtasks[1].thoughts == [
        "PLAN: reach right; return home",
        "DONE: yes",
        "SUBTASK: reach right",
    ]
    assert (told.outcome, told.subtasks, told.faults) == ("done", (3, 3), {})


def test_the_fall_of_a_planner_is_where_two_runs_part(tmp_path: Path) -> None:
    """A restarted planner tells nothing twice, and what fell is the first divergence."""
    whole, fallen = (play(tmp_path / name, falls=name == "b")[0] for name in ("a", "b"))
    told = story_of(fallen)
    assert (told.outcome, told.subtasks, told.faults) == ("done", (3, 3), {"node.down": 1})
    parted = compare(whole, fallen, tolerance=0.01).divergences[0]
    assert (parted.at_s, parted.second) == (pytest.approx(3.0), "planner fell: died, killed")
