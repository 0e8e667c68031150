from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.errors import ConfigError, ContractError, PluginError
from bridge.messages import ActionChunk, Goal, Latent, Plan
from bridge.testing import FakePolicy, example_latent
from fast_brain.config import RobotConfig
from fast_brain.policy_node import PolicyNode
from tests.fast_brain import node_rig
from tests.fast_brain.node_rig import GOAL, S_NS, Rig, acting, seen

BEAT_NS = S_NS // 5


def _rig(clock: ManualClock, **settings: Any) -> Rig:
    rig = Rig(PolicyNode, clock, **settings)
    rig.node.start()
    return rig


def _policy() -> FakePolicy:
    return node_rig.made["policy"]


def _latent(stamp_ns: int, sequence: int, *, plan: str = "") -> Latent:
    latent = example_latent(stamp_ns=stamp_ns, sequence=sequence)
    return replace(latent, plan_id=plan)


def test_it_acts_on_the_active_subtask(clock: ManualClock) -> None:
    """The policy is shown the newest latent, the subtask's words and the goal's, and acts."""
    rig = _rig(clock)
    rig.put(observation=seen(S_NS, sequence=4), planning=acting(), latent=_latent(S_NS, 7))
    chunk = rig.step(S_NS + BEAT_NS).got("chunk")
    assert isinstance(chunk, ActionChunk)
    assert (chunk.observation_sequence, chunk.latent_sequence) == (4, 7)
    assert chunk.latent_age_s == pytest.approx(0.2)
    told = _policy().memories[0]
    assert (told.subtask_text, told.goal_text) == ("move", GOAL.text)
    assert told.time_s.shape == (1,)


@pytest.mark.parametrize("phase", ["idle", "goal_done", "goal_failed"])
def test_it_is_silent_when_there_is_nothing_to_do(clock: ManualClock, phase: str) -> None:
    """Before, and after, the goal no chunk is made; the loop then holds."""
    rig = _rig(clock).put(observation=seen(S_NS), planning=acting(phase=phase))
    assert rig.step(S_NS).got("chunk") is None


def test_it_waits_for_plan_and_observation(clock: ManualClock) -> None:
    """Without a status, a subtask, or a fresh observation there is no chunk."""
    rig = _rig(clock)
    rig.put(goal=GOAL).step(S_NS)
    rig.put(observation=seen(S_NS)).step(S_NS)
    rig.put(planning=replace(acting(), subtasks=())).step(S_NS)
    rig.put(planning=acting()).step(2 * S_NS)
    assert rig.got("chunk") is None
    assert rig.step(S_NS).count("chunk") == 1


def test_it_goes_on_while_the_planner_thinks(clock: ManualClock) -> None:
    """Thinking again about a subtask under way does not stop the robot."""
    rig = _rig(clock).put(observation=seen(S_NS), planning=acting(phase="thinking"))
    assert rig.step(S_NS).count("chunk") == 1


def test_a_new_goal_begins_a_new_memory(clock: ManualClock) -> None:
    """Latents of the goal before are forgotten, the one left in the mailbox included."""
    rig = _rig(clock)
    rig.put(observation=seen(S_NS), planning=acting(), latent=_latent(S_NS, 1)).step(S_NS)
    goal = Goal(text="open the drawer", id="goal-2", source="test", stamp_ns=2 * S_NS)
    now_ns = 2 * S_NS + BEAT_NS
    rig.put(observation=seen(now_ns), planning=acting(goal)).step(now_ns)
    told = _policy().memories[-1]
    assert told.is_empty
    assert told.goal_text == "open the drawer"
    # The planner looked a moment before the goal was stated.
    rig.put(latent=_latent(2 * S_NS - 10**7, 2)).step(now_ns)
    assert _policy().memories[-1].latent_sequence == 2
    assert len(_policy().memories) == 2, "the policy was not reset once"


def test_a_leftover_latent_is_known_by_its_plan(clock: ManualClock) -> None:
    """A latent of the plan that the status shows is taken, although it was there first."""
    plan = Plan(
        id="plan-1",
        goal_id=GOAL.id,
        subtasks=(),
        trigger="new goal",
        observation_stamp_ns=S_NS,
        stamp_ns=S_NS,
    )
    early = _latent(S_NS - 10**7, 3, plan="plan-1")
    rig = _rig(clock).put(observation=seen(S_NS), latent=early)
    rig.put(planning=replace(acting(), plan=plan)).step(S_NS)
    assert _policy().memories[-1].latent_sequence == 3
    rig = _rig(clock).put(observation=seen(S_NS), latent=early)
    rig.put(planning=replace(acting(), plan=replace(plan, goal_id="goal-0"))).step(S_NS)
    assert _policy().memories[-1].is_empty


def test_a_new_episode_begins_a_new_memory(clock: ManualClock) -> None:
    """After a reset of the world latents of the old one are not used."""
    rig = _rig(clock)
    rig.put(observation=seen(S_NS), planning=acting(), latent=_latent(S_NS, 1)).step(S_NS)
    rig.put(observation=seen(S_NS, episode="next"), latent=_latent(S_NS + 1, 2)).step(S_NS)
    assert _policy().memories[-1].is_empty


def test_a_stale_latent_leaves_the_words(clock: ManualClock) -> None:
    """Past the limit the policy is told in words only, and the chunk still says the true age."""
    rig = _rig(clock, stale_after_s=1.0, text_after_s=2.0)
    rig.put(observation=seen(4 * S_NS), planning=acting(), latent=_latent(S_NS, 1))
    chunk = rig.step(4 * S_NS).got("chunk")
    told = _policy().memories[0]
    assert told.is_empty
    assert told.perceptual.shape == (0, 4, 8)
    assert told.subtask_text == "move"
    assert chunk.latent_sequence == -1
    assert chunk.latent_age_s == pytest.approx(3.0)


def test_a_latent_that_does_not_fit_is_told_and_left_out(clock: ManualClock) -> None:
    """A latent older than the newest is refused once; the memory stays and the policy acts."""
    rig = _rig(clock)
    rig.put(observation=seen(S_NS), planning=acting(), latent=_latent(2 * S_NS, 1)).step(2 * S_NS)
    rig.put(observation=seen(2 * S_NS), latent=_latent(S_NS, 2)).step(2 * S_NS)
    assert "observation_stamp_ns" in rig.node.last_error
    rig.step(2 * S_NS)
    assert rig.node.last_error == ""
    assert _policy().memories[-1].latent_sequence == 1


@pytest.mark.parametrize(
    ("fault", "words"), [("raise", "told to raise"), ("rubbish", "not finite")]
)
def test_a_failing_policy_sends_nothing_and_is_blamed(
    clock: ManualClock, fault: str, words: str
) -> None:
    """What a policy raises, or nan, becomes a `PluginError` in the health, and no chunk."""
    rig = _rig(clock, policy_options={"fault": fault})
    rig.put(observation=seen(S_NS), planning=acting()).step(S_NS)
    assert rig.got("chunk") is None
    assert rig.node.last_error.startswith("PluginError")
    assert "`act`" in rig.node.last_error
    assert words in rig.node.last_error
    _policy().fault = "none"
    assert rig.step(S_NS).count("chunk") == 1
    assert rig.node.last_error == ""


def test_a_chunk_of_the_wrong_shape_is_not_sent(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy that does not keep its own spec is blamed with both shapes."""
    rig = _rig(clock).put(observation=seen(S_NS), planning=acting())
    good = _policy().act
    monkeypatch.setattr(
        _policy(),
        "act",
        lambda *args: replace(good(*args), actions=np.zeros((5, 2), np.float32)),
    )
    rig.step(S_NS)
    assert rig.got("chunk") is None
    assert "[5, 2]" in rig.node.last_error
    monkeypatch.setattr(_policy(), "act", lambda *args: None)
    assert "NoneType" in rig.step(S_NS).node.last_error


def test_a_policy_that_keeps_failing_ends_the_node(clock: ManualClock) -> None:
    """After the allowed failures in a row the error comes out, so that it is restarted."""
    rig = _rig(clock, policy_options={"fault": "raise"}, policy_failures_allowed=2)
    rig.put(observation=seen(S_NS), planning=acting()).step(S_NS).step(S_NS)
    with pytest.raises(PluginError):
        rig.step(S_NS)


def test_an_observation_without_its_inputs_is_no_chunk(clock: ManualClock) -> None:
    """When a sensor is missing the policy does not guess; the health names the leaf."""
    rig = _rig(clock)
    rig.put(observation=replace(seen(S_NS), proprioception={}), planning=acting()).step(S_NS)
    assert rig.got("chunk") is None
    assert rig.node.last_error.startswith(ContractError.__name__)


def test_flat_mode_acts_on_the_goal_alone(clock: ManualClock) -> None:
    """Without a planner the policy is told the goal's words and an empty memory."""
    rig = _rig(clock, mode="flat")
    rig.put(observation=seen(S_NS), latent=_latent(S_NS, 1)).step(S_NS)
    assert rig.got("chunk") is None
    rig.put(goal=GOAL).step(S_NS)
    told = _policy().memories[-1]
    assert rig.count("chunk") == 1
    assert told.is_empty
    assert (told.goal_text, told.subtask_text) == (GOAL.text, "")


def test_flat_mode_rests_when_the_goal_is_done(clock: ManualClock) -> None:
    """A planner beside it that calls this very goal done ends the motion; a new goal begins it."""
    rig = _rig(clock, mode="flat")
    rig.put(observation=seen(S_NS), goal=GOAL, planning=acting(phase="goal_done")).step(S_NS)
    assert rig.got("chunk") is None
    rig.put(goal=replace(GOAL, id="goal-2")).step(S_NS)
    assert rig.count("chunk") == 1


def test_the_hold_policy_learns_the_robot_by_itself(clock: ManualClock) -> None:
    """A policy that asks for the robot's spec is given it, and needs no options."""
    rig = _rig(clock, policy="hold", robot=RobotConfig(kind="point_arm"))
    assert rig.node.spec.action.names == ("x", "y", "z")
    rig.node.close()
    assert rig.node.spec is None


def test_stepping_before_the_start_is_an_error(clock: ManualClock) -> None:
    """A node that was not started says so."""
    with pytest.raises(ConfigError, match="start"):
        Rig(PolicyNode, clock).step(S_NS)
