"""A recorded run is thought again: what was recorded comes, in its order and at its times."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.config import load_config
from agent.exporting.stretch import stretch_of
from agent.exporting.thoughts import write_thoughts
from agent.graph import build_graph
from agent.recording.config import RecordingConfig
from agent.recording.wiring import recorded
from agent.runtime_local import LocalRuntime
from agent.tracing.runs import Run
from bridge.clock import ManualClock
from bridge.errors import ConfigError, ContractError, UnknownGoalError
from bridge.messages import Goal, Latent, Plan, PlanningStatus, PlanRequest, Thought, Wait
from bridge.specs import LatentSpec
from bridge.testing import example_request
from bridge.testing.examples import SECOND_NS
from slow_brain.planners.replay import ReplayPlanner

RUN = {"type": "run", "format": 1, "run": "r1"}


def goal(number: int = 1, text: str = "Tidy up") -> dict[str, Any]:
    """A line that begins a goal."""
    return {"type": "goal", "goal_id": f"g{number}", "text": text, "at_s": 0.0}


def answer(*steps: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A line with a plan of these steps."""
    subtasks = [{"text": step, "state": "pending", "timeout_s": 7.0} for step in steps]
    about = {"type": "plan", "goal_id": f"g{number}", "took_s": 0.5, "goal_done": False}
    return {**about, "subtasks": subtasks, **more}


def latent(at_s: float, subtask: str = "a") -> dict[str, Any]:
    """A recorded latent of one token a stream, four wide."""
    data = b64encode(np.arange(4, dtype="<f4").tobytes()).decode()
    stream = {"shape": [1, 4], "data": data}
    return {"at_s": at_s, "subtask": subtask, "perceptual": stream, "cognitive": stream}


Written = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Writes lines into a file, the run's line first."""

    def write(*lines: dict[str, Any]) -> Path:
        path = tmp_path / "thoughts.jsonl"
        path.write_text("".join(f"{json.dumps(line)}\n" for line in (RUN, *lines)), "utf-8")
        return path

    return write


def request_of(goal_id: str = "now", text: str = "tidy up") -> PlanRequest:
    """What the planner is asked today."""
    asked = example_request(goal_text=text)
    return replace(asked, goal=replace(asked.goal, id=goal_id))


def plans(planner: ReplayPlanner, request: PlanRequest) -> list[list[str]]:
    """The steps of what it plans for one request."""
    results = planner.plan(request)
    return [[step.text for step in each.subtasks] for each in results if isinstance(each, Plan)]


def test_answers_come_in_their_order_and_then_it_waits(written: Written) -> None:
    """Each request gets the next answer, with today's ids; nothing is made up after the last."""
    path = written(goal(), answer("a", "b"), answer("b", current_subtask_done=True))
    planner, request = ReplayPlanner(file=str(path), keeps_times=False), request_of()
    (first,) = (each for each in planner.plan(request) if isinstance(each, Plan))
    assert (first.id, first.goal_id) == (request.plan_id, "now")
    assert [(step.text, step.timeout_s) for step in first.subtasks] == [("a", 7.0), ("b", 7.0)]
    (second,) = (each for each in planner.plan(request) if isinstance(each, Plan))
    assert second.current_subtask_done
    (last,) = planner.plan(request)
    assert isinstance(last, Wait)
    assert "no more thoughts" in last.reason


def test_results_come_at_their_times(written: Written, clock: ManualClock) -> None:
    """Thoughts, plan and latent keep their distance from the request; meanwhile it can be ended."""
    thoughts = [{"field": "PLAN", "text": "a", "at_s": 0.2}]
    path = written(goal(), answer("a", thoughts=thoughts, latents=[latent(0.7)]))
    planner = ReplayPlanner(file=str(path), clock=clock)
    began_ns = clock.now_ns()
    results = ((each, clock.now_ns()) for each in planner.plan(request_of()))
    came = [(type(each), (at_ns - began_ns) / SECOND_NS) for each, at_ns in results if each]
    assert came == [(Thought, 0.2), (Plan, 0.5), (Latent, 0.7)]


def test_latents_are_those_of_the_recording(written: Written) -> None:
    """Every number, declared before anything moves, with the stamp of what is seen today."""
    planner = ReplayPlanner(
        file=str(written(goal(), answer("a", latents=[latent(0.5)]))), keeps_times=False
    )
    assert planner.spec.latent == LatentSpec(
        perceptual_tokens=1, cognitive_tokens=1, width=4, origin="a recording"
    )
    request = request_of()
    (found,) = (each for each in planner.plan(request) if isinstance(each, Latent))
    np.testing.assert_array_equal(found.cognitive, [[0.0, 1.0, 2.0, 3.0]])
    assert found.observation_stamp_ns == request.observation.stamp_ns


def test_a_goal_that_was_given_twice_has_two_recordings(written: Written) -> None:
    """They are taken in order; another goal in between changes nothing."""
    path = written(
        goal(1), answer("a"), goal(2, "Rest"), answer("z", number=2), goal(3), answer("b", number=3)
    )
    planner = ReplayPlanner(file=str(path), keeps_times=False)
    asked = [request_of("x"), request_of("y", "rest"), request_of("z")]
    assert [plans(planner, request) for request in asked] == [[["a"]], [["z"]], [["b"]]]


def test_what_did_not_end_in_a_plan_does_not_today(written: Written) -> None:
    """A failure is one again; a thought that was cut short, and a wait, are waits."""
    ends = [{"ended": "cut short", "why": "a remark"}, {"ended": "waits", "why": "for words"}]
    failed = {"ended": "failed", "why": "ContractError: no plan"}
    lines = [answer() | end for end in (*ends, failed)]
    planner = ReplayPlanner(file=str(written(goal(), *lines)), keeps_times=False)
    waits = [list(planner.plan(request_of()))[-1] for _ in ends]
    assert [each.reason for each in waits if isinstance(each, Wait)] == [
        "In the recording: cut short, a remark",
        "In the recording: waits, for words",
    ]
    with pytest.raises(ContractError, match="no plan"):
        list(planner.plan(request_of()))


def test_a_goal_that_was_not_recorded_is_said(written: Written) -> None:
    """With the ones that were."""
    planner = ReplayPlanner(file=str(written(goal(), answer("a"))), keeps_times=False)
    with pytest.raises(UnknownGoalError, match=r"make tea.*Known: Tidy up"):
        list(planner.plan(request_of(text="make tea")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no thoughts in"),
        ("rubbish\n", "line 1 is no line of thoughts"),
        ('{"type": "run", "format": 9, "run": "r"}\n', "version 9 .* reads version 1"),
        (json.dumps(goal()) + "\n", "the run stands in the first line"),
        (
            f"{json.dumps(RUN)}\n{json.dumps(answer('a'))}\n",
            "answers goal 'g1', which is not above",
        ),
        (f"{json.dumps(RUN)}\n{json.dumps(goal())}\n", "agent trace export ID --to thoughts"),
    ],
)
def test_a_file_that_is_none_is_said_before_anything_moves(
    text: str, words: str, tmp_path: Path
) -> None:
    """Empty, foreign, of another version or cut off: one sentence, with the place."""
    path = tmp_path / "thoughts.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=words):
        ReplayPlanner(file=str(path))


def test_a_missing_file_is_said_before_anything_moves(tmp_path: Path) -> None:
    """Also that one was not named at all."""
    with pytest.raises(ConfigError, match="cannot be read"):
        ReplayPlanner(file=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"planner_options\.file"):
        ReplayPlanner(file="")


def test_a_latent_with_too_few_numbers_is_said(written: Written) -> None:
    """A file that was cut inside a number is not read as a shorter latent."""
    broken = latent(0.5) | {"perceptual": {"shape": [2, 4], "data": "AAAA"}}
    with pytest.raises(ConfigError, match="line 3 is no line of thoughts"):
        ReplayPlanner(file=str(written(goal(), answer("a", latents=[broken]))))


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=1, max_size=8))
def test_a_recording_is_thought_again_in_full(
    tmp_path_factory: pytest.TempPathFactory, recorded_plans: list[list[str]]
) -> None:
    """Law: whatever was recorded, the same plans come, in the same order, each once."""
    lines = [RUN, goal(), *(answer(*steps) for steps in recorded_plans)]
    path = tmp_path_factory.mktemp("law") / "thoughts.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    planner = ReplayPlanner(file=str(path), keeps_times=False)
    found = [plan for _ in range(len(lines)) for plan in plans(planner, request_of())]
    assert found == recorded_plans


def lived_through(folder: Path, *overrides: str) -> list[tuple[Any, ...]]:
    """What the planner showed in a recorded run in virtual time, as it changed."""
    config = load_config("point_arm", list(overrides))
    graph = recorded(build_graph(config), folder, RecordingConfig(latents="full"), "{}")
    runtime = LocalRuntime(graph)
    runtime.start()
    stamp_ns = runtime.clock.now_ns()
    runtime.publish("goal", Goal(text="reach both", id="g", source="test", stamp_ns=stamp_ns))
    shown = list(_until_done(runtime))
    runtime.stop()
    return shown


def _until_done(runtime: LocalRuntime) -> Iterator[tuple[Any, ...]]:
    before: tuple[Any, ...] = ()
    for _ in range(200):
        runtime.run_for(0.1)
        status: PlanningStatus | None = runtime.read("planning")
        assert status is not None
        now = (status.phase, tuple((each.text, str(each.state)) for each in status.subtasks))
        if now != before:
            yield now
            before = now
        if status.phase == "goal_done":
            return


def test_a_run_under_its_own_recorded_thoughts_is_the_same_run(tmp_path: Path) -> None:
    """Recorded, exported and thought again, every subtask begins and ends as it did."""
    first = lived_through(tmp_path / "first")
    assert first[-1][0] == "goal_done"
    file = tmp_path / "thoughts.jsonl"
    write_thoughts(stretch_of(Run(tmp_path / "first")), file, lambda _done, _all: None)
    assert first == lived_through(
        tmp_path / "again",
        "slow_brain.planner=replay",
        f"slow_brain.planner_options={{file: {file}, keeps_times: false}}",
    )
