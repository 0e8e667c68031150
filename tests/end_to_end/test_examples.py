"""Every worked example of `examples/`, as a planner of the point arm in virtual time."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ChatServer, serving_chat
from starting import make_runtime

from agent.runtime_local import LocalRuntime
from bridge import (
    ConfigError,
    ContractError,
    Goal,
    Latent,
    Plan,
    PlannerSpec,
    PlanningStatus,
    PlanRequest,
    Thought,
    TransportError,
)
from bridge.testing import EXAMPLE_LATENT, FakePlanner, PlannerContract, example_request
from examples.behaviour_tree_planner import BehaviourTreePlanner
from examples.openai_planner import OpenAIPlanner
from examples.racing_planner import RacingPlanner

SETTINGS = (
    "fast_brain.policy=straight_line",
    "slow_brain.rate_hz=2",
    "slow_brain.goal_confirmations=1",
    "runtime.planner_latency_s=0.1",
)


def follow(goal: str, *overrides: str) -> tuple[PlanningStatus, list[str]]:
    """Let the agent follow a goal to its end; its last status, and the places the arm came to."""
    run = make_runtime("local", "point_arm", *SETTINGS, *overrides)
    assert isinstance(run, LocalRuntime)
    places: list[str] = []

    def is_over() -> bool:
        world, status = run.read("world"), run.read("planning")
        for place in ("reach left", "reach right", "return home"):
            if world is not None and world.facts[place] and places[-1:] != [place]:
                places.append(place)
        return status is not None and status.phase in ("goal_done", "goal_failed")

    run.start()
    try:
        run.publish("goal", Goal(text=goal, id="g", source="test", stamp_ns=run.clock.now_ns()))
        run.run_until(is_over, 60.0)
        return run.read("planning"), places
    finally:
        run.stop()


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A server with a model that follows the goal's words."""
    with serving_chat() as server:
        yield server


def asking(server: ChatServer, **options: Any) -> OpenAIPlanner:
    """A planner over this server."""
    return OpenAIPlanner(model="a-model", base_url=server.url, **options)


def test_the_rule_based_planner_follows_the_words_of_a_goal() -> None:
    """Twenty lines plan, step by step, to the end."""
    planner = "slow_brain.planner=examples.rule_based_planner:RuleBasedPlanner"
    status, _ = follow("reach left then reach right", planner)
    assert (status.phase, status.reason) == (
        "goal_done", "the planner sees that everything is as wanted",
    )  # fmt: skip
    assert [subtask.text for subtask in status.subtasks] == ["reach left", "reach right"]
    assert {str(subtask.state) for subtask in status.subtasks} == {"done"}


def test_the_behaviour_tree_moves_the_arm_from_place_to_place() -> None:
    """Each leaf is over when the arm is really there, in the order of the tree."""
    planner = "slow_brain.planner=examples.behaviour_tree_planner:BehaviourTreePlanner"
    status, places = follow("tidy up", planner)
    assert status.phase == "goal_done", status.reason
    assert places == ["return home", "reach left", "reach right", "return home"]


def test_a_goal_without_a_tree_ends_with_the_list() -> None:
    """What the tree is not for is refused in words."""
    planner = "slow_brain.planner=examples.behaviour_tree_planner:BehaviourTreePlanner"
    status, _ = follow("make tea", planner)
    assert status.phase == "goal_failed"
    assert "I cannot plan for the goal 'make tea'. Known: tidy up." in status.reason


class TestBehaviourTree(PlannerContract):
    goal_text = "tidy up"

    def make(self) -> BehaviourTreePlanner:
        """As a preset makes it."""
        return BehaviourTreePlanner()

    def request(self, planner: Any) -> PlanRequest:
        """What the point arm shows."""
        run = make_runtime("local", "point_arm")
        run.start()
        run.run_until(lambda: run.read("observation") is not None, 1.0)
        seen = run.read("observation")
        run.stop()
        return example_request(planner.spec, observation=seen, goal_text=self.goal_text)


def test_the_server_is_asked_with_a_picture_and_a_schema(
    chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real HTTP: the key, the model, the JPEG and the schema arrive, and the robot follows."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    planner = "slow_brain.planner=examples.openai_planner:OpenAIPlanner"
    options = json.dumps({"model": "a-model", "base_url": chat.url})
    status, _ = follow(
        "reach left then reach right", planner, f"slow_brain.planner_options={options}"
    )
    assert status.phase == "goal_done", status.reason
    assert [subtask.text for subtask in status.subtasks] == ["reach left", "reach right"]
    assert set(chat.pictures) == {(64, 64)}
    assert set(chat.keys) == {"Bearer secret"}
    assert chat.asked[0]["model"] == "a-model"
    assert chat.asked[0]["response_format"]["json_schema"]["strict"] is True


def reply(content: str) -> bytes:
    """A completion with this text."""
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (500, TransportError),
        (b"not json", TransportError),
        (b"{}", TransportError),
        (reply("I would rather not."), ContractError),
        (reply('{"reasoning": "r", "subtasks": ["a"]}'), ContractError),
        (reply('{"reasoning": 1, "subtasks": [2], "goal_done": 0}'), ContractError),
        (reply("[]"), ContractError),
    ],
)
def test_what_a_server_does_wrong_is_told_apart(
    chat: ChatServer, script: bytes | int, kind: type[Exception]
) -> None:
    """A server in trouble is one error, an answer that is no plan another; never a plan."""
    chat.script.append(script)
    planner = asking(chat)
    with pytest.raises(kind):
        list(planner.plan(example_request(planner.spec)))
    assert any(isinstance(each, Plan) for each in planner.plan(example_request(planner.spec)))
    planner.close()


def test_a_server_that_is_gone_is_told_with_its_address() -> None:
    """Nobody answers: the address is in the message."""
    with serving_chat() as server:
        planner = asking(server, timeout_s=2.0)
    with pytest.raises(TransportError, match=r"127\.0\.0\.1"):
        list(planner.plan(example_request(planner.spec)))
    planner.close()


def race(*planners: object) -> RacingPlanner:
    """A race between planners that are there already."""
    racing = RacingPlanner(
        planners=[{"kind": "bridge.testing:FakePlanner"}] * len(planners), timeout_s=5.0
    )
    for lane, planner in zip(racing._lanes, planners, strict=True):
        lane.planner = planner  # pyright: ignore[reportAttributeAccessIssue]
    return racing


class Held(FakePlanner):
    """Thinks for as long as it is held."""

    def __init__(self) -> None:
        super().__init__(("from the slow one",))
        self.go, self.is_cut_short = threading.Event(), threading.Event()

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Wait between two yields."""
        try:
            for result in super().plan(request):
                self.go.wait(10)
                yield result
        except GeneratorExit:
            self.is_cut_short.set()
            raise


def texts(planner: RacingPlanner) -> list[str]:
    """The subtasks of the plan that came first."""
    (plan,) = (each for each in planner.plan(example_request()) if isinstance(each, Plan))
    return [subtask.text for subtask in plan.subtasks]


class TestRace(PlannerContract):
    def make(self) -> RacingPlanner:
        """A fake against a fake."""
        return RacingPlanner(planners=[{"kind": "bridge.testing:FakePlanner"}] * 2)


def test_the_first_valid_plan_is_taken_and_the_other_cut_short() -> None:
    """A slow planner neither delays the robot nor thinks on for nothing."""
    slow = Held()
    racing = race(slow, FakePlanner(("from the fast one",)))
    assert texts(racing) == ["from the fast one"]
    # It sits out the next race, and is cut short at its next yield.
    assert texts(racing) == ["from the fast one"]
    slow.go.set()
    assert slow.is_cut_short.wait(5)
    racing.close()
    assert slow.is_closed


@pytest.mark.parametrize("fault", ["raise", "rubbish"])
def test_a_faulty_planner_loses_the_race(fault: Any) -> None:
    """One that raises, or plans for something else, leaves the race to the other."""
    racing = race(FakePlanner(fault=fault), FakePlanner(("from the other",)))
    assert texts(racing) == ["from the other"]
    racing.close()


def test_a_race_that_nobody_wins_says_what_each_did() -> None:
    """The error names both planners."""
    racing = race(FakePlanner(fault="raise"), FakePlanner(fault="rubbish"))
    with pytest.raises(ContractError, match="told to raise") as caught:
        texts(racing)
    assert "no valid plan" in str(caught.value)
    racing.close()


def test_only_planners_with_the_same_latents_can_race() -> None:
    """Else the policy would not know what it gets."""
    other = {"kind": "scripted"}
    with pytest.raises(ConfigError, match="same latents"):
        RacingPlanner(planners=[{"kind": "bridge.testing:FakePlanner"}, other])


def test_a_race_of_planners_drives_the_arm() -> None:
    """Two scripted planners, started anew at each look, bring a goal to its end."""
    options = json.dumps({"planners": [{"kind": "scripted"}, {"kind": "scripted", "options": {}}]})
    planner = "slow_brain.planner=examples.racing_planner:RacingPlanner"
    status, _ = follow("reach left", planner, f"slow_brain.planner_options={options}")
    assert status.phase == "goal_done", status.reason
    assert PlannerSpec(latent=EXAMPLE_LATENT, cameras=("front",)) == race(FakePlanner()).spec


class Breathing(FakePlanner):
    """Lets itself be ended before each of its results, as between two tokens."""

    def plan(self, request: PlanRequest) -> Iterator[Any]:
        """The same, with pauses."""
        for result in super().plan(request):
            yield None
            yield result


def test_a_racer_that_pauses_for_breath_is_still_in_the_race() -> None:
    """Nothing new is no end: its plan wins when it comes."""
    racing = race(FakePlanner(fault="raise"), Breathing(("from the breathing one",)))
    (plan,) = (each for each in racing.plan(example_request()) if isinstance(each, Plan))
    assert [each.text for each in plan.subtasks] == ["from the breathing one"]
