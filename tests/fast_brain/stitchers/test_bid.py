import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError, ContractError
from bridge.testing import FakePolicy
from fast_brain.stitchers.bid import BidStitcher, backward_losses, forward_losses
from fast_brain.stitchers.conditioning import denoise, leftover
from fast_brain.stitchers.prefix_mask import prefix_mask
from tests.fast_brain.stitchers.rig import HORIZON, MEMORY, SPEC, STEP_NS, flow_policy, seen_at


def test_backward_loss_is_the_weighted_distance() -> None:
    """Σ_i w_i ‖a_i - prev_i‖, by hand."""
    drawn = np.array([[[3.0, 4.0], [0.0, 0.0]], [[0.0, 0.0], [6.0, 8.0]]], np.float32)
    previous, weights = np.zeros((2, 2), np.float32), np.array([1.0, 0.25], np.float32)
    np.testing.assert_allclose(backward_losses(drawn, previous, weights), [5.0, 2.5])


def test_forward_loss_is_a_contrast_of_distances() -> None:
    """Near the good samples and far from the weak policy's is low; by hand, over N = 2."""
    drawn = np.array([[[0.0]], [[2.0]]], np.float32)
    strong, weak = np.array([[[0.0]], [[1.0]]], np.float32), np.array([[[3.0]]], np.float32)
    np.testing.assert_allclose(
        forward_losses(drawn, strong, weak), [(1.0 - 3.0) / 2, (3.0 - 1.0) / 2]
    )


@given(st.integers(1, 12))
def test_the_chosen_chunk_is_the_one_of_least_loss(samples: int) -> None:
    """For any number of samples: what is published is the argmin of all that were drawn."""
    policy, twin = flow_policy(), flow_policy()
    stitcher = BidStitcher(samples=samples, contrast_samples=1)
    conditioner = stitcher.conditioner(policy)
    first = conditioner.act(seen_at(10**9), MEMORY, 0)
    conditioner.published(first, 10**9 + 3 * STEP_NS)
    chunk = conditioner.act(seen_at(10**9 + 4 * STEP_NS), MEMORY, 0)

    seen = twin.look(seen_at(10**9 + 4 * STEP_NS), MEMORY)
    twin.draw_noise(samples)  # Those of the first chunk.
    previous, known = leftover(conditioner._committed, twin, seen)
    drawn = denoise(twin, seen, count=samples)
    losses = backward_losses(drawn, previous, prefix_mask(2, known, HORIZON))
    best = twin.finish(drawn[int(np.argmin(losses))], seen)
    np.testing.assert_array_equal(chunk.actions, best.actions)
    assert conditioner.facts["loss"] == pytest.approx(float(losses.min()))


def test_a_weak_policy_changes_the_choice() -> None:
    """With forward contrast the weak policy's samples are drawn too, and count."""
    stitcher = BidStitcher(weak_policy_options={"spec": SPEC, "seed": 7})
    conditioner = stitcher.conditioner(flow_policy())
    plain = BidStitcher().conditioner(flow_policy())
    for one in (conditioner, plain):
        one.published(one.act(seen_at(10**9), MEMORY, 0), 10**9 + STEP_NS)
        one.act(seen_at(10**9 + 2 * STEP_NS), MEMORY, 0)
    assert conditioner.facts["loss"] != plain.facts["loss"]


def test_what_makes_no_sense_is_refused() -> None:
    """More samples to compare with than are drawn, or a policy without a flow."""
    with pytest.raises(ContractError, match="contrast_samples"):
        BidStitcher(samples=2, contrast_samples=3)
    with pytest.raises(ConfigError, match=r"'bid'.*FakePolicy"):
        BidStitcher().conditioner(FakePolicy())
