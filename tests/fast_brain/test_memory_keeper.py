"""What the policy remembered comes back when its process does."""

from typing import Any

import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.errors import TransportError
from bridge.messages import Latent, MemorySnapshot
from bridge.testing import FakePolicy, example_latent
from bridge.transports.in_process import InProcessLatestValue
from fast_brain.policy_node import PolicyNode
from tests.fast_brain import node_rig
from tests.fast_brain.node_rig import GOAL, S_NS, Rig, acting, seen


def latent(second: int) -> Latent:
    """A latent of that second, numbered by it."""
    return example_latent(stamp_ns=second * S_NS, sequence=second)


def policy() -> FakePolicy:
    """The newest policy that was made."""
    return node_rig.made["policy"]


def started(clock: ManualClock, outputs: dict[str, Any] | None = None) -> Rig:
    """A policy node with mailboxes of its own, or with the outputs of one that fell."""
    rig = Rig(PolicyNode, clock)
    rig.outputs.setdefault("memory", InProcessLatestValue[Any]())
    if outputs is not None:
        rig.outputs.update(outputs)
    rig.node.start()
    return rig


def live(rig: Rig, seconds: range, latents: range) -> None:
    """Step once a second; a new latent comes in some of them."""
    for second in seconds:
        if second in latents:
            rig.put(latent=latent(second))
        rig.put(observation=seen(second * S_NS), planning=acting()).step(second * S_NS + 1)


def test_a_policy_that_fell_remembers(clock: ManualClock) -> None:
    """A restarted policy sees the same memory, and what came meanwhile, each latent once."""
    fallen = started(clock)
    live(fallen, range(1, 6), range(1, 6))
    before = policy().memories[-1]
    assert before.time_s.size == 5

    rig = started(clock, fallen.outputs)
    rig.put(latent=latent(5))
    live(rig, range(6, 7), range(0))
    after = policy().memories[-1]
    assert after.time_s.tolist() == before.time_s.tolist()
    assert (after.perceptual == before.perceptual).all()
    assert after.latent_sequence == 5

    live(rig, range(7, 8), range(7, 8))
    assert policy().memories[-1].time_s.size == 6


def test_it_is_kept_once_a_second_and_only_when_there_is_news(clock: ManualClock) -> None:
    """Beats within a second, and seconds without a new latent, write nothing."""
    rig = started(clock)
    rig.put(observation=seen(S_NS), planning=acting(), latent=latent(1))
    for beat in range(10):
        rig.step(S_NS + beat * S_NS // 20)
    assert rig.count("memory") == 1
    live(rig, range(2, 6), range(0))
    assert rig.count("memory") == 1
    live(rig, range(6, 8), range(6, 8))
    assert rig.count("memory") == 3


def test_the_memory_of_another_goal_does_not_come_back(clock: ManualClock) -> None:
    """What was kept for the goal before is forgotten when the planner follows another."""
    fallen = started(clock)
    live(fallen, range(1, 4), range(1, 4))
    rig = started(clock, fallen.outputs)
    other = replace(GOAL, id="goal-2", stamp_ns=4 * S_NS)
    rig.put(observation=seen(4 * S_NS), planning=acting(other)).step(4 * S_NS)
    assert policy().memories[-1].is_empty


def test_a_snapshot_that_is_none_begins_empty_and_says_so(clock: ManualClock) -> None:
    """Bytes that are no memory stop nothing: the policy acts, without memory, and tells."""
    outputs = {"memory": InProcessLatestValue[Any]()}
    outputs["memory"].publish(
        MemorySnapshot(
            goal=GOAL,
            episode_id="",
            bank=b"\xc1",
            latent_stamp_ns=0,
            latent_sequence=0,
            stamp_ns=S_NS,
        )
    )
    rig = started(clock, outputs)
    rig.put(observation=seen(S_NS), planning=acting()).step(S_NS)
    assert rig.count("chunk") == 1
    assert "TransportError" in rig.node.last_error


def test_a_memory_with_no_room_to_be_kept_stops_nothing(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot too large for its mailbox is told, and the chunks go on."""
    rig = started(clock)

    def refuse(message: object) -> None:
        raise TransportError("too large")

    monkeypatch.setattr(rig.outputs["memory"], "publish", refuse)
    live(rig, range(1, 4), range(1, 4))
    assert rig.count("chunk") == 3
    assert rig.node.last_error == "TransportError: too large"
