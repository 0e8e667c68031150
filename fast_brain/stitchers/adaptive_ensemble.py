"""CogACT's adaptive ensembling: predictions that agree with the newest one weigh more.

Source: Li et al., "CogACT" (arXiv 2411.19650), section 3.4 and `AdaptiveEnsembler`:
`w_k ∝ exp(α · cos(a_k, a_newest))`, α = 0.1, so that two modes are not averaged into neither.
"""

from typing import Literal

import numpy as np

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.errors import ContractError
from bridge.messages import ActionChunk, Hold, PickedAction
from fast_brain.stitchers.overlap import Overlap, blend

Compared = Literal["motion", "action"]
_NO_DIVISION_BY_ZERO = 1e-7


class AdaptiveEnsembleStitcher:
    """Plays the mean of what the newest chunks say about the instant, by how much they agree.

    CogACT's actions are motions, of which a direction can be compared. Absolute targets all point
    the same way from the origin, so for them the motion that each chunk makes just then is
    compared: its action now less its action one row before.

    Args:
        alpha: α; 0.1 as published.
        window: How many of the newest chunks have a say.
        compared: "motion" for absolute actions, "action" for deltas, as published.
    """

    def __init__(
        self, *, alpha: float = 0.1, window: int = 7, compared: Compared = "motion"
    ) -> None:
        if compared not in ("motion", "action"):
            raise ContractError(leaf="compared", expected="'motion' or 'action'", got=compared)
        if window < 1:
            raise ContractError(leaf="window", expected="at least 1 chunk", got=window)
        self._alpha = alpha
        self._compared: Compared = compared
        self._overlap = Overlap(window)

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a chunk; it has a say wherever it reaches."""
        del now_ns
        self._overlap.push(chunk)

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The mean for now, or why there is none."""
        opinions = self._overlap.at(now_ns)
        if isinstance(opinions, Hold):
            return opinions
        compared = opinions.motions if self._compared == "motion" else opinions.actions
        mean = blend(opinions.actions, agreement_weights(compared, self._alpha))
        return PickedAction(frozen_array(mean), opinions.sequence, opinions.row)

    def reset(self) -> None:
        """Forget all chunks."""
        self._overlap.clear()


def agreement_weights(vectors: FloatArray, alpha: float) -> AnyArray:
    """Return `exp(α · cos(a_k, a_newest))` [K] of vectors [K, A], the newest last."""
    newest = vectors[-1]
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(newest)
    return np.exp(alpha * (vectors @ newest) / (lengths + _NO_DIVISION_BY_ZERO))
