"""ACT's temporal ensembling: the mean of what every chunk says about now, the oldest first.

Source: Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware"
(arXiv 2304.13705), Algorithm 2: `w_i = exp(-m · i)`, where `w_0` is of the *oldest* prediction.
"""

from typing import Literal, NamedTuple

import numpy as np

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.errors import ContractError
from bridge.messages import ActionChunk, Hold, PickedAction
from fast_brain.stitchers.committed import action_at
from fast_brain.stitchers.overlap import Overlap, blend, is_alike

Form = Literal["window", "online"]
# With chunks as long as 64 rows, one a row: more never overlap.
_MOST_CHUNKS = 64
_NS_PER_S = 1_000_000_000
_ROUNDING_ROWS = 1e-4


class TemporalEnsembleStitcher:
    """Plays the weighted mean of all chunks that reach the instant.

    Args:
        decay: m; 0.01 as published. Above 0 the older predictions weigh more, below 0 the newer.
        form: "window" keeps the chunks and averages at each tick, also where their rows do not
            fall together. "online" keeps one running mean on the newest chunk's rows, as LeRobot
            does. Both are the same on rows that fall together.
    """

    def __init__(self, *, decay: float = 0.01, form: Form = "window") -> None:
        if form not in ("window", "online"):
            raise ContractError(leaf="form", expected="'window' or 'online'", got=form)
        self._decay = decay
        self._online = OnlineEnsemble(decay) if form == "online" else None
        self._overlap = Overlap(_MOST_CHUNKS)

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a chunk; it has a say wherever it reaches."""
        del now_ns
        self._overlap.push(chunk)
        if self._online is not None:
            self._online.push(chunk)

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The mean for now, or why there is none."""
        opinions = self._overlap.at(now_ns)
        if isinstance(opinions, Hold):
            return opinions
        mean = None if self._online is None else self._online.at(now_ns)
        if mean is None:
            mean = blend(opinions.actions, oldest_first_weights(len(opinions.actions), self._decay))
        return PickedAction(frozen_array(mean), opinions.sequence, opinions.row)

    def reset(self) -> None:
        """Forget all chunks."""
        self._overlap.clear()
        if self._online is not None:
            self._online.clear()


def oldest_first_weights(count: int, decay: float) -> AnyArray:
    """Return `exp(-m · i)` [count]; i = 0 is the oldest."""
    return np.exp(-decay * np.arange(count))


class _Mean(NamedTuple):
    """A running mean on the rows of a chunk, and how many predictions are in each row [H]."""

    chunk: ActionChunk
    counts: AnyArray


class OnlineEnsemble:
    """The running mean of LeRobot's `ACTTemporalEnsembler`: nothing but the mean is kept.

    `mean ← (mean · Σ_{i<n} w_i + new · w_n) / Σ_{i≤n} w_i`, where n predictions are in the mean.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._mean: _Mean | None = None
        self._before: _Mean | None = None

    def push(self, chunk: ActionChunk) -> None:
        """Take a chunk into the mean."""
        old = self._mean
        if old is not None and not is_alike(old.chunk, chunk):
            old = None
        actions = np.array(chunk.actions)
        counts = np.ones(len(actions), np.intp)
        for row in range(len(actions)):
            stamp_ns = chunk.start_stamp_ns + round(row * chunk.step_s * _NS_PER_S)
            so_far = None if old is None else action_at(old.chunk, stamp_ns)
            if old is None or so_far is None:
                continue
            count = _count_at(old, stamp_ns)
            actions[row] = self._merge(so_far, count, actions[row])
            counts[row] = count + 1
        # Until the new chunk begins, the mean is the one before.
        self._before, self._mean = old, _Mean(_with_actions(chunk, actions), counts)

    def at(self, now_ns: int) -> FloatArray | None:
        """The mean [A] for now; None where no chunk reaches."""
        for mean in (self._mean, self._before):
            action = None if mean is None else action_at(mean.chunk, now_ns)
            if action is not None:
                return action
        return None

    def clear(self) -> None:
        """Forget the mean."""
        self._mean = self._before = None

    def _merge(self, mean: FloatArray, count: int, new: FloatArray) -> FloatArray:
        weights = oldest_first_weights(count + 1, self._decay)
        merged = (mean * weights[:-1].sum() + new * weights[-1]) / weights.sum()
        return np.clip(merged, np.minimum(mean, new), np.maximum(mean, new)).astype(np.float32)


def _count_at(mean: _Mean, stamp_ns: int) -> int:
    """How many predictions are in the mean at a time; between two rows, those in both."""
    row = (stamp_ns - mean.chunk.start_stamp_ns) / (mean.chunk.step_s * _NS_PER_S)
    last = len(mean.counts) - 1
    before = min(max(int(row + _ROUNDING_ROWS), 0), last)
    after = min(max(int(np.ceil(row - _ROUNDING_ROWS)), 0), last)
    return int(min(mean.counts[before], mean.counts[after]))


def _with_actions(chunk: ActionChunk, actions: FloatArray) -> ActionChunk:
    return ActionChunk(
        actions=actions,
        start_stamp_ns=chunk.start_stamp_ns,
        step_s=chunk.step_s,
        sequence=chunk.sequence,
        observation_sequence=chunk.observation_sequence,
        observation_stamp_ns=chunk.observation_stamp_ns,
    )
