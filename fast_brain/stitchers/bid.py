"""Bidirectional decoding: of many chunks the one that goes on best from the one before.

Source: Liu et al., "Bidirectional Decoding: Improving Action Chunking via Guided Test-Time
Sampling" (arXiv 2408.17355); weights and sample size as in RTC's comparison (arXiv 2506.07339,
section 5, and its code `bid_action`): N = 16, backward loss `Σ_i w_i ‖a_i - prev_i‖` with RTC's
exponential mask, and, if there is a weak policy, forward contrast with the K best of its samples
and of our own, `(Σ_k Σ_i ‖a_i - a⁺_ki‖ - Σ_k Σ_i ‖a_i - a⁻_ki‖) / N`. The first authors' own code
weighs it otherwise: normalised weights `0.99^i`, means over rows and neighbours.
"""

from collections.abc import Mapping

import numpy as np

from bridge.arrays import AnyArray, FloatArray
from bridge.errors import ContractError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.protocols import Policy
from bridge.steering import FlowSampler
from fast_brain.stitchers.conditioning import (
    Conditioner,
    FlowPolicyLike,
    denoise,
    leftover,
    require,
)
from fast_brain.stitchers.latest import LatestStitcher
from fast_brain.stitchers.prefix_mask import MaskKind, check_mask, prefix_mask


class BidStitcher(LatestStitcher):
    """BID: the newest chunk plays, the best of `samples` by how it goes on from the one before.

    Args:
        samples: N, chunks drawn each time; 16 as published.
        mask: How rows of the one before weigh; "exp" as in RTC's comparison.
        weak_policy_options: Options of a weaker policy of the same plug-in, such as `weights` of an
            earlier checkpoint, for forward contrast; None for the backward loss alone.
        contrast_samples: K, how many samples of each policy count in forward contrast.
        delay_window: How many measurements of the delay count; the largest is taken.
    """

    def __init__(
        self,
        *,
        samples: int = 16,
        mask: MaskKind = "exp",
        weak_policy_options: Mapping[str, object] | None = None,
        contrast_samples: int = 3,
        delay_window: int = 10,
    ) -> None:
        super().__init__()
        check_mask(mask)
        if not 1 <= contrast_samples <= samples:
            raise ContractError(
                leaf="contrast_samples", expected=f"1 to {samples} (samples)", got=contrast_samples
            )
        self._samples = samples
        self._mask: MaskKind = mask
        self._weak_options = weak_policy_options
        self._contrast = contrast_samples
        self._delay_window = delay_window

    def conditioner(self, policy: Policy) -> "BestOfConditioner":
        """The policy's half.

        Raises:
            ConfigError: The policy is no flow policy.
        """
        flow = require(policy, FlowPolicyLike, "bid", offers="FlowSampler")
        weak = None
        if self._weak_options is not None:
            other = type(policy)(**self._weak_options)
            weak = require(other, FlowPolicyLike, "bid", offers="FlowSampler")
        return BestOfConditioner(
            flow,
            samples=self._samples,
            mask=self._mask,
            weak=weak,
            contrast=self._contrast,
            delay_window=self._delay_window,
        )


class BestOfConditioner(Conditioner):
    """Draws many chunks, and keeps one."""

    def __init__(
        self,
        policy: FlowPolicyLike,
        *,
        samples: int,
        mask: MaskKind,
        weak: FlowPolicyLike | None,
        contrast: int,
        delay_window: int,
    ) -> None:
        super().__init__(policy, delay_window)
        self._flow = policy
        self._samples = samples
        self._mask: MaskKind = mask
        self._weak = weak
        self._contrast = contrast

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """The best of the chunks drawn.

        Raises:
            ContractError: The observation lacks what the policy needs.
        """
        del now_ns
        seen = self._flow.look(observation, memory)
        previous, known = leftover(self._committed, self._flow, seen)
        delay = self._delay.rows
        weights = prefix_mask(delay, known, len(previous), self._mask)
        drawn = denoise(self._flow, seen, count=self._samples)
        losses = backward_losses(drawn, previous, weights)
        if self._weak is not None:
            weak = self._draw_weak(self._weak, observation, memory)
            weak_losses = backward_losses(weak, previous, weights)
            losses = losses + forward_losses(
                drawn,
                _best(drawn, losses, self._contrast),
                _best(weak, weak_losses, self._contrast),
            )
        chosen = int(np.argmin(losses))
        self._note(delay_rows=delay, leftover_rows=known, loss=float(losses[chosen]))
        return self._flow.finish(drawn[chosen], seen)

    def _draw_weak(
        self, weak: FlowSampler, observation: Observation, memory: MemoryView
    ) -> FloatArray:
        return denoise(weak, weak.look(observation, memory), count=self._samples)


def backward_losses(drawn: FloatArray, previous: FloatArray, weights: FloatArray) -> AnyArray:
    """Return `Σ_i w_i ‖a_i - prev_i‖` [N] of chunks [N, H, A] against the one before [H, A]."""
    return (np.linalg.norm(drawn - previous, axis=-1) * weights).sum(axis=-1)


def forward_losses(drawn: FloatArray, strong: FloatArray, weak: FloatArray) -> AnyArray:
    """Return [N]: distances to good samples [K, H, A] less those to the weak policy's, over N."""
    towards, away = _distances(drawn, strong).sum(axis=1), _distances(drawn, weak).sum(axis=1)
    return (towards - away) / len(drawn)


def _distances(drawn: FloatArray, others: FloatArray) -> AnyArray:
    return np.linalg.norm(drawn[:, None] - others[None], axis=-1).sum(axis=-1)


def _best(drawn: FloatArray, losses: AnyArray, count: int) -> FloatArray:
    return drawn[np.argsort(losses, kind="stable")[:count]]
