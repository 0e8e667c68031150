"""RTC's guidance against autograd, against the shipped variant re-derived, and in a loop."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.arrays import FloatArray
from bridge.errors import ConfigError, ContractError
from bridge.protocols import ChunkConditioner, ConditioningStitcher
from bridge.testing import FakeFlowPolicy, FakePolicy
from fast_brain.stitchers.prefix_mask import prefix_mask
from fast_brain.stitchers.rtc import (
    Guidance,
    Jacobian,
    RtcStitcher,
    guidance_weight,
    guided_rows,
    guided_velocity,
)
from tests.fast_brain.stitchers.rig import (
    HORIZON,
    MEMORY,
    STEP_NS,
    flow_policy,
    run_policy,
    seen_at,
)


def _field(policy: FakeFlowPolicy, goal: FloatArray, x: torch.Tensor, time: float) -> torch.Tensor:
    """The toy field of `FakeFlowPolicy`, again, in torch."""
    mixing = torch.from_numpy(policy.mixing)
    bent = torch.tanh(x.reshape(len(x), -1) @ mixing).reshape(x.shape)
    return torch.from_numpy(goal) - x + 0.5 * (1.0 + time) * bent


def _target() -> FloatArray:
    return np.random.default_rng(5).standard_normal((HORIZON, 2), dtype=np.float32)


@pytest.mark.parametrize("time", [0.0, 0.2, 0.6, 0.8])
def test_vjp_correction_is_that_of_autograd(time: float) -> None:
    """The corrected velocity equals the published one with the Jacobian taken by autograd."""
    policy = flow_policy()
    seen = policy.look(seen_at(0), MEMORY)
    rows, target, mask = policy.draw_noise(1), _target(), prefix_mask(2, 6, HORIZON)

    x = torch.tensor(rows, requires_grad=True)
    velocity = _field(policy, seen.goal, x, time)
    clean = x + (1 - time) * velocity
    error = torch.from_numpy(mask)[:, None] * (torch.from_numpy(target) - clean)
    (pulled,) = torch.autograd.grad(clean, x, error.detach())
    wanted = velocity + guidance_weight(time, 5.0) * pulled

    found = guided_velocity(policy, seen, rows, time, Guidance(target, mask, "vjp", 5.0))
    np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_identity_is_the_variant_that_is_widely_shipped() -> None:
    """Denoising equals the shipped one: time from 1 to 0, error taken as if `v` were constant."""
    policy, steps, most = flow_policy(), 10, 10.0
    seen = policy.look(seen_at(0), MEMORY)
    target, mask = _target(), prefix_mask(3, 10, HORIZON, "linear")
    guidance = Guidance(target, mask, "identity", most)
    found = guided_rows(policy, seen, steps, guidance)

    policy.reset()
    x = torch.from_numpy(policy.draw_noise(1))
    for step in range(steps):
        time = 1.0 - step / steps
        tau = 1.0 - time
        # Their field points from action to noise, and is evaluated before x asks for gradients.
        velocity = -_field(policy, seen.goal, x, tau)
        leaf = x.clone().requires_grad_()
        clean = leaf - time * velocity
        error = (torch.from_numpy(target) - clean) * torch.from_numpy(mask)[:, None]
        (correction,) = torch.autograd.grad(clean, leaf, error.detach())
        torch.testing.assert_close(correction, error.detach())
        inverse_r2 = ((1 - tau) ** 2 + tau**2) / (1 - tau) ** 2
        weight = min((1 - tau) / tau * inverse_r2, most) if tau > 0 else most
        x = x - (velocity - weight * correction) / steps

    np.testing.assert_allclose(found, x[0].numpy(), atol=1e-5)


def test_the_two_variants_differ() -> None:
    """With a Jacobian that is not the identity the published correction is another one."""
    policy = flow_policy()
    seen = policy.look(seen_at(0), MEMORY)
    rows, guided = policy.draw_noise(1), []
    for jacobian in ("vjp", "identity"):
        guidance = Guidance(_target(), prefix_mask(2, 6, HORIZON), jacobian, 5.0)
        guided.append(guided_velocity(policy, seen, rows, 0.4, guidance))
    assert np.abs(guided[0] - guided[1]).max() > 0.1


@pytest.mark.parametrize(
    ("time", "weight"),
    [(0.0, 5.0), (0.1, 5.0), (0.2, 4.25), (0.4, 2.1667), (0.5, 2.0), (0.8, 4.25), (0.9, 5.0)],
)
def test_weight_is_published_and_clipped(time: float, weight: float) -> None:
    """(1 - τ) / (τ r²) with r² = (1 - τ)² / (τ² + (1 - τ)²), at most β, and β at τ = 0."""
    assert guidance_weight(time, 5.0) == pytest.approx(weight, abs=1e-4)


def test_without_anything_under_way_it_is_the_plain_policy() -> None:
    """The first chunk, and the one after an interruption, is what the policy makes alone."""
    alone = flow_policy().act(seen_at(10**9), MEMORY, 0)
    conditioner = RtcStitcher().conditioner(flow_policy())
    chunk = conditioner.act(seen_at(10**9), MEMORY, 0)
    np.testing.assert_allclose(chunk.actions, alone.actions, atol=1e-6)
    conditioner.published(chunk, 10**9)
    conditioner.interrupted()
    conditioner.act(seen_at(10**9), MEMORY, 0)
    assert conditioner.facts["leftover_rows"] == 0


def _gap(jacobian: Jacobian | None) -> float:
    """The largest step at a join over a run with a delay of three rows; None for no guidance."""
    conditioner = RtcStitcher(jacobian=jacobian or "vjp", denoising_steps=10).conditioner(
        flow_policy()
    )
    if jacobian is None:
        conditioner.published = lambda chunk, now_ns: None  # pyright: ignore[reportAttributeAccessIssue]
    chunks = run_policy(conditioner, beats=12, every_ns=4 * STEP_NS, takes_ns=3 * STEP_NS)
    joins = itertools.pairwise(chunks[1:])
    return max(float(np.abs(old.actions[6] - new.actions[2]).max()) for old, new in joins)


@pytest.mark.parametrize("jacobian", ["vjp", "identity"])
def test_chunks_go_on_from_the_one_before(jacobian: Jacobian) -> None:
    """At the row where a late chunk takes over it is nearer to the old one than unguided."""
    assert _gap(jacobian) < 0.6 * _gap(None)


def test_delay_is_measured_and_told() -> None:
    """A chunk that is out four rows' time after its picture is three rows late, and says so."""
    conditioner = RtcStitcher().conditioner(flow_policy())
    run_policy(conditioner, beats=2, every_ns=4 * STEP_NS, takes_ns=4 * STEP_NS)
    assert conditioner.facts == {
        "delay_estimate_rows": 3,
        "delay_measured_rows": 3,
        "leftover_rows": 6,
    }


def test_a_moved_arm_is_guided_to_the_same_place() -> None:
    """The leftover is bound in the robot's frame, though rows are relative to where it is."""
    policy = flow_policy()
    conditioner = RtcStitcher(denoising_steps=20).conditioner(policy)
    first = conditioner.act(seen_at(10**9, 0.0, 0.0), MEMORY, 0)
    conditioner.published(first, 10**9 + 4 * STEP_NS)
    second = conditioner.act(seen_at(10**9 + STEP_NS, 0.4, 0.4), MEMORY, 0)
    near = np.abs(second.actions[:3] - first.actions[1:4]).max()
    free = policy.act(seen_at(10**9 + STEP_NS, 0.4, 0.4), MEMORY, 0)
    assert near < 0.3 * np.abs(free.actions[:3] - first.actions[1:4]).max()


@given(st.floats(0.0, 0.95), st.floats(0.1, 20.0), st.sampled_from(["vjp", "identity"]))
def test_rows_without_weight_get_no_error_of_their_own(
    time: float, most: float, jacobian: Jacobian
) -> None:
    """For any time and β: what stands in rows of weight 0 of the target changes nothing."""
    policy = flow_policy()
    seen = policy.look(seen_at(0), MEMORY)
    rows, mask = policy.draw_noise(1), prefix_mask(1, 4, HORIZON)
    first, second = _target(), _target()
    second[4:] = 1000.0
    found = [
        guided_velocity(policy, seen, rows, time, Guidance(target, mask, jacobian, most))
        for target in (first, second)
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_a_policy_without_a_flow_is_refused() -> None:
    """One sentence names the policy, the stitcher, and what to choose instead."""
    with pytest.raises(ConfigError, match=r"'rtc'.*FakePolicy.*FlowSampler.*latest"):
        RtcStitcher().conditioner(FakePolicy())


@pytest.mark.parametrize("option", [{"jacobian": "exact"}, {"mask": "cosine"}])
def test_unknown_options_are_refused(option: dict[str, str]) -> None:
    """A Jacobian or a mask that there is not is refused when the stitcher is made."""
    with pytest.raises(ContractError, match=next(iter(option))):
        RtcStitcher(**option)  # pyright: ignore[reportArgumentType]


def test_it_has_both_halves() -> None:
    """The plug-in picks in the control loop, and makes its other half beside the policy."""
    stitcher = RtcStitcher()
    assert isinstance(stitcher, ConditioningStitcher)
    assert isinstance(stitcher.conditioner(flow_policy()), ChunkConditioner)
