"""A run of a thousand subtasks: nothing that is sent, shown or asked grows with it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.codec import encode
from bridge.messages import Plan, PlanRequest, Subtask, SubtaskState, Thought
from bridge.specs import PlannerSpec
from slow_brain.planning_loop import newest_thoughts
from slow_brain.prompts.prompt_file import PromptValues, load_prompt
from tests.slow_brain.planning_rig import Rig

SKILLS = ("open the drawer", "close the drawer", "open the window", "close the window")
STEPS = 1000


class Tireless:
    """Finds the subtask under way done at each look, and never sees the end."""

    spec = PlannerSpec()

    def __init__(self) -> None:
        self.asked: list[PlanRequest] = []

    def plan(self, request: PlanRequest) -> Iterator[Any]:
        """Go on to the next step."""
        self.asked.append(request)
        done = request.finished_count + (request.current is not None)
        yield Thought(field="PLAN", text="as before", plan_id=request.plan_id, stamp_ns=0)
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{number}", text=SKILLS[(done + number) % len(SKILLS)])
                for number in range(3)
            ),
            trigger=request.trigger,
            observation_stamp_ns=0,
            current_subtask_done=request.current is not None,
            stamp_ns=0,
        )

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture(scope="module")
def long_run() -> Iterator[tuple[Rig, Tireless, list[int]]]:
    """A run of a thousand subtasks, and how many bytes its status had after each."""
    with pytest.MonkeyPatch.context() as patch:
        planner = Tireless()
        rig = Rig(ManualClock(1_000_000_000), patch, planner, done_confirmations=1)
        rig.ask()
        sizes = [len(encode(rig.step())) for _ in range(STEPS + 1)]
        yield rig, planner, sizes


def test_the_count_goes_on_though_the_list_does_not(long_run: Any) -> None:
    """People see the newest subtasks and how many there were; ids are never used twice."""
    rig, planner, _ = long_run
    status = rig.status
    assert (status.subtasks_done, status.subtasks_begun) == (STEPS, STEPS + 1)
    assert len(status.subtasks) == 32 + 3
    assert status.subtasks[0].id == f"g.{STEPS - 31}"
    assert planner.asked[-1].finished_count == STEPS - 1
    moved = [each["subtask_id"] for each in rig.told("subtask.moved") if each["state"] == "done"]
    assert moved == [f"g.{number}" for number in range(1, STEPS + 1)]


def test_no_message_grows(long_run: Any) -> None:
    """Status and request are as long after a thousand subtasks as after a hundred."""
    _, planner, sizes = long_run
    assert max(sizes[900:]) <= max(sizes[90:110]) + 100
    requests = [len(encode(planner.asked[number])) for number in (100, STEPS - 1)]
    assert requests[1] <= requests[0] + 60


@pytest.mark.parametrize("prompt", ["tandem", "ecot", "json_plan", "plain_list"])
def test_no_prompt_grows(long_run: Any, prompt: str) -> None:
    """The summary of what was done rolls: the newest in words, the older ones as a count."""
    _, planner, _ = long_run
    texts: list[str] = []
    for number in (100, STEPS):
        request = planner.asked[number]
        values = PromptValues(
            goal=request.goal.text,
            finished=[each.text for each in request.finished],
            finished_count=request.finished_count,
        )
        turns = load_prompt(prompt).turns(values)
        texts.append("".join(turn.text for turn in turns))
    assert abs(len(texts[1]) - len(texts[0])) <= 20
    if prompt != "tandem":
        assert re.search(r"so far: 9\d\d earlier; ", texts[1])


def test_a_resumed_run_counts_on(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that comes back after five hundred subtasks knows that there were as many."""
    planner = Tireless()
    rig = Rig(clock, monkeypatch, planner)
    rig.ask()
    shown = replace(rig.step(), subtasks_begun=501, subtasks_done=500)
    rig.planning.publish(shown)
    rig.node.start()
    rig.step()
    assert planner.asked[-1].finished_count == 500
    assert [each.id for each in rig.status.subtasks if each.state is SubtaskState.ACTIVE] == [
        "g.502"
    ]


def test_thoughts_without_end_are_cut_at_their_beginning() -> None:
    """The newest stay, in order, few and short enough for a status."""
    thoughts = tuple(
        Thought(field="PLAN", text=f"{number} " * 50, plan_id="p", stamp_ns=number)
        for number in range(5000)
    )
    kept = newest_thoughts(thoughts)
    assert kept == thoughts[-len(kept) :]
    assert sum(len(each.text) for each in kept) <= 12_000
    (one,) = newest_thoughts((replace(thoughts[0], text="x" * 1_000_000),))
    assert len(one.text) == 12_000
