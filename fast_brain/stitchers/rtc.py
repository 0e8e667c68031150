"""Real-time chunking by guidance: each denoising step is drawn towards what is under way.

Source: Black, Galliker, Levine, "Real-Time Execution of Action Chunking Flow Policies"
(arXiv 2506.07339), Algorithm 1 and eq. 2-5; guidance as in ΠGDM (Song et al. 2023, Pokle et al.
2024). Flow time runs from 0, noise, to 1, action.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bridge.arrays import FloatArray
from bridge.errors import ContractError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.protocols import Policy
from bridge.steering import FlowSampler, Pullback, Seen
from fast_brain.stitchers.conditioning import Conditioner, FlowPolicyLike, leftover, require
from fast_brain.stitchers.latest import LatestStitcher
from fast_brain.stitchers.prefix_mask import MaskKind, check_mask, prefix_mask

Jacobian = Literal["vjp", "identity"]


class RtcStitcher(LatestStitcher):
    """RTC guided: the newest chunk plays, and was made to go on from the one before it.

    Rows that will have passed when the chunk arrives are bound with weight 1, the rest of the
    overlap ever less, by the mask. The delay is measured; the estimate is the largest of the last
    `delay_window`.

    Args:
        jacobian: "vjp" as published: the error is pulled back through the network. "identity" as
            widely shipped (LeRobot): the error itself, one evaluation a step and no gradient.
        mask: "exp" as published, "linear", "ones" or "zeros".
        max_guidance_weight: β, the largest weight of the correction; 5 as published.
        denoising_steps: n; 0 for the policy's own. The paper has 5.
        delay_window: b; 10 as published.
    """

    def __init__(
        self,
        *,
        jacobian: Jacobian = "vjp",
        mask: MaskKind = "exp",
        max_guidance_weight: float = 5.0,
        denoising_steps: int = 0,
        delay_window: int = 10,
    ) -> None:
        super().__init__()
        if jacobian not in ("vjp", "identity"):
            raise ContractError(leaf="jacobian", expected="'vjp' or 'identity'", got=jacobian)
        self._jacobian: Jacobian = jacobian
        check_mask(mask)
        self._mask: MaskKind = mask
        self._max_weight = max_guidance_weight
        self._denoising_steps = denoising_steps
        self._delay_window = delay_window

    def conditioner(self, policy: Policy) -> "GuidedConditioner":
        """The policy's half.

        Raises:
            ConfigError: The policy is no flow policy.
        """
        flow = require(policy, FlowPolicyLike, "rtc", offers="FlowSampler")
        return GuidedConditioner(
            flow,
            jacobian=self._jacobian,
            mask=self._mask,
            max_guidance_weight=self._max_weight,
            denoising_steps=self._denoising_steps or flow.flow_steps,
            delay_window=self._delay_window,
        )


class GuidedConditioner(Conditioner):
    """Makes chunks by guided denoising; without anything under way, plain ones."""

    def __init__(
        self,
        policy: FlowPolicyLike,
        *,
        jacobian: Jacobian,
        mask: MaskKind,
        max_guidance_weight: float,
        denoising_steps: int,
        delay_window: int,
    ) -> None:
        super().__init__(policy, delay_window)
        self._flow = policy
        self._jacobian: Jacobian = jacobian
        self._mask: MaskKind = mask
        self._max_weight = max_guidance_weight
        self._steps = denoising_steps

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk drawn towards the rows under way.

        Raises:
            ContractError: The observation lacks what the policy needs.
        """
        del now_ns
        seen = self._flow.look(observation, memory)
        target, known = leftover(self._committed, self._flow, seen)
        delay = self._delay.rows
        mask = prefix_mask(delay, known, len(target), self._mask)
        guidance = Guidance(target, mask, self._jacobian, self._max_weight)
        rows = guided_rows(self._flow, seen, self._steps, guidance)
        self._note(delay_rows=delay, leftover_rows=known)
        return self._flow.finish(rows, seen)


@dataclass(frozen=True)
class Guidance:
    """What denoising is drawn towards: rows `target` [H, A], by the weights `mask` [H]."""

    target: FloatArray
    mask: FloatArray
    jacobian: Jacobian = "vjp"
    max_weight: float = 5.0


def guided_rows(policy: FlowSampler, seen: Seen, steps: int, guidance: Guidance) -> FloatArray:
    """Return normalised rows [H, A], denoised from noise and drawn towards a target.

    `x ← x + (v + min(β, (1 - τ) / (τ r²)) · g) / n` with `τ = 0, 1/n, … (n-1)/n`.
    """
    rows = policy.draw_noise(1)
    for step in range(steps):
        velocity = guided_velocity(policy, seen, rows, step / steps, guidance)
        rows = (rows + velocity / steps).astype(np.float32)
    return rows[0]


def guided_velocity(
    policy: FlowSampler, seen: Seen, rows: FloatArray, time: float, guidance: Guidance
) -> FloatArray:
    """Return the corrected velocity of `rows` [1, H, A] at flow time `time`.

    `x̂1 = x + (1 - τ) v`, `e = w ⊙ (Y - x̂1)`, `g = eᵀ ∂x̂1/∂x`; with the identity for the
    Jacobian, `g = e`.
    """
    times = np.full(rows.shape[1], time, np.float32)
    if not guidance.mask.any():
        return policy.velocity(rows, times, seen)
    velocity, pull_back = _velocity(policy, seen, rows, times, guidance.jacobian)
    left = 1.0 - time
    error = guidance.mask[:, None] * (guidance.target - (rows + left * velocity))
    error = error.astype(np.float32)
    correction = error if pull_back is None else error + left * pull_back(error)
    weight = guidance_weight(time, guidance.max_weight)
    return (velocity + weight * correction).astype(np.float32)


def guidance_weight(time: float, max_weight: float) -> float:
    """Return `min(β, (1 - τ) / (τ r²))` with `r² = (1 - τ)² / (τ² + (1 - τ)²)`; β at τ = 0."""
    left = 1.0 - time
    if time <= 0.0 or left <= 0.0:
        return max_weight
    spread = left**2 / (time**2 + left**2)
    return min(max_weight, left / (time * spread))


def _velocity(
    policy: FlowSampler, seen: Seen, rows: FloatArray, times: FloatArray, jacobian: Jacobian
) -> tuple[FloatArray, Pullback | None]:
    if jacobian == "identity":
        return policy.velocity(rows, times, seen), None
    return policy.velocity_and_pullback(rows, times, seen)
