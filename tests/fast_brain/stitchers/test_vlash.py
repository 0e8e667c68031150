import numpy as np
import pytest

from bridge.errors import ConfigError
from bridge.messages import Hold, HoldReason
from bridge.testing import FakePolicy
from fast_brain.stitchers.vlash import VlashStitcher
from tests.fast_brain.stitchers.rig import (
    MEMORY,
    MS_NS,
    STEP_NS,
    chunk_of,
    flow_policy,
    run_policy,
    seen_at,
    value,
)


def test_the_policy_is_asked_as_of_when_its_chunk_is_out() -> None:
    """Three rows late: the state is the action of the third, and the chunk begins after it."""
    policy = flow_policy()
    conditioner = VlashStitcher().conditioner(policy)
    first, second = run_policy(conditioner, beats=2, every_ns=4 * STEP_NS, takes_ns=4 * STEP_NS)
    assert second.start_stamp_ns == second.observation_stamp_ns + 4 * STEP_NS
    asked = policy.looks[-1]
    np.testing.assert_allclose(asked.proprioception["position"], first.actions[6], atol=1e-6)
    assert asked.stamp_ns == second.observation_stamp_ns
    assert conditioner.facts == {
        "delay_estimate_rows": 3,
        "delay_measured_rows": 3,
        "leftover_rows": 3,
        "rolled_rows": 3,
    }


def test_an_arm_that_follows_slowly_is_not_put_at_its_target() -> None:
    """With a response time the state ends between where the arm is and where it was sent."""
    policy = flow_policy()
    conditioner = VlashStitcher(response_s=0.1).conditioner(policy)
    first, _ = run_policy(conditioner, beats=2, every_ns=4 * STEP_NS, takes_ns=4 * STEP_NS)
    state = np.array([0.1, -0.2])
    for action in first.actions[4:7]:
        state = state + (1 - np.exp(-0.5)) * (action - state)
    np.testing.assert_allclose(policy.looks[-1].proprioception["position"], state, atol=1e-6)


def test_it_rolls_no_further_than_was_trained() -> None:
    """A delay of seven rows, trained for four: four."""
    conditioner = VlashStitcher().conditioner(flow_policy(longest_roll_rows=4))
    run_policy(conditioner, beats=2, every_ns=STEP_NS, takes_ns=8 * STEP_NS)
    assert conditioner.facts["rolled_rows"] == 4


def test_without_anything_under_way_it_asks_as_of_now() -> None:
    """After an interruption the arm stays where it is, so nothing is rolled."""
    policy = flow_policy()
    conditioner = VlashStitcher().conditioner(policy)
    run_policy(conditioner, beats=1, every_ns=STEP_NS, takes_ns=4 * STEP_NS)
    conditioner.interrupted()
    chunk = conditioner.act(seen_at(2 * 10**9), MEMORY, 0)
    assert chunk.start_stamp_ns == 2 * 10**9 + STEP_NS


def test_the_chunk_before_plays_until_the_next_is_due() -> None:
    """A chunk of three rows ahead changes nothing now; at its time it has taken over."""
    stitcher = VlashStitcher()
    stitcher.push(chunk_of([0.0, 1.0, 2.0, 3.0, 4.0]), 0)
    stitcher.push(chunk_of([9.0, 9.0], start_ns=3 * STEP_NS, sequence=1), 0)
    assert value(stitcher.pick(STEP_NS)) == 1.0
    assert value(stitcher.pick(2 * STEP_NS - 10 * MS_NS)) == pytest.approx(1.8)
    assert value(stitcher.pick(3 * STEP_NS)) == 9.0


def test_a_gap_between_two_chunks_is_a_hold() -> None:
    """When the old chunk is over before the next is due, the robot waits for its first row."""
    stitcher = VlashStitcher()
    stitcher.push(chunk_of([0.0, 0.0]), 0)
    stitcher.pick(STEP_NS)
    stitcher.push(chunk_of([4.0, 4.0], start_ns=4 * STEP_NS, sequence=1), STEP_NS)
    over, soon = stitcher.pick(2 * STEP_NS), stitcher.pick(4 * STEP_NS - 10 * MS_NS)
    assert isinstance(over, Hold)
    assert over.reason is HoldReason.CHUNK_EXPIRED
    assert isinstance(soon, Hold)
    assert soon.reason is HoldReason.NO_CHUNK
    assert value(stitcher.pick(4 * STEP_NS)) == 4.0


def test_policies_that_cannot_are_refused() -> None:
    """One that offers no roll-forward, and one that was never trained for it."""
    with pytest.raises(ConfigError, match=r"'vlash'.*FakePolicy.*RollForward"):
        VlashStitcher().conditioner(FakePolicy())
    with pytest.raises(ConfigError, match="trained with states ahead"):
        VlashStitcher().conditioner(flow_policy(longest_roll_rows=0))
