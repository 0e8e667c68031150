"""Keyframes: the moments at which something happened, not those in between."""

import math
from typing import ClassVar

from bridge.errors import ConfigError
from bridge.memories.episode_memory import EpisodeMemory
from bridge.memories.likeness import likeness
from bridge.messages import Latent
from bridge.specs import LatentSpec

# A new subtask is an event whatever it looks like; content alone scores at most 2.
SUBTASK_SCORE = 2.0


class KeyframeMemory(EpisodeMemory):
    """Keeps latents whose event score is high, not too close together, the best `capacity` of them.

    The score of a latent is one less its likeness to the one before it, in [0, 2], and the most
    there is where a subtask begins. Of candidates within `suppression_s` the highest stands
    (non-maximum suppression, the earlier at a tie); after that nothing is taken until `cooldown_s`
    have passed since the last keyframe, so that a lively minute does not push out all others. When
    there are more than `capacity`, the lowest score goes.

    Source: EventVLA (arXiv 2606.20092) shows what each part is worth: 75.2 % with suppression and
    a buffer of 5, 53.4 % without suppression, 32.0 % with a buffer of 2. Its score is learned.

    Args:
        latent: Shape of the latents; others are refused.
        capacity: How many are kept beside the newest.
        threshold: Least score of an event.
        suppression_s: Within this of a keyframe the higher score stands [s].
        cooldown_s: Least time from one keyframe to another [s], ≥ `suppression_s`.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "keyframes"

    def __init__(
        self,
        *,
        latent: LatentSpec,
        capacity: int = 5,
        threshold: float = 0.1,
        suppression_s: float = 1.0,
        cooldown_s: float = 2.0,
        shared_name: str = "",
        run_id: str = "memory",
    ) -> None:
        is_finite = math.isfinite(threshold) and math.isfinite(cooldown_s)
        if not (is_finite and threshold > 0 and 0 <= suppression_s <= cooldown_s):
            raise ConfigError(
                "Keyframes want threshold > 0 and 0 ≤ suppression_s ≤ cooldown_s, not threshold "
                f"{threshold}, suppression_s {suppression_s} s and cooldown_s {cooldown_s} s."
            )
        self._threshold = threshold
        self._suppression_s, self._cooldown_s = suppression_s, cooldown_s
        super().__init__(latent=latent, capacity=capacity, shared_name=shared_name, run_id=run_id)

    def _kind(self) -> str:
        return (
            f"keyframes({self._capacity}, threshold={self._threshold}, "
            f"suppression_s={self._suppression_s}, cooldown_s={self._cooldown_s})"
        )

    def _mark(self, latent: Latent) -> float:
        """The event score; the first latent of all has nothing to differ from."""
        if self._begins_subtask(latent):
            return SUBTASK_SCORE
        newest = len(self._perceptual) - 1
        alike = (
            likeness(self._perceptual.tokens(newest), latent.perceptual),
            likeness(self._cognitive.tokens(newest), latent.cognitive),
        )
        return 1.0 - sum(alike) / len(alike)

    def _make_room(self, incoming: Latent) -> None:
        del incoming
        marks = self._perceptual.marks
        if not marks:
            return
        self._judge_newest()
        if len(marks) > self._capacity:
            self._drop(marks.index(min(marks)))

    def _judge_newest(self) -> None:
        """Keep the newest so far as a keyframe, in the stead of one or beside them, or drop it."""
        marks, times = self._perceptual.marks, self._perceptual.time_s
        candidate = len(marks) - 1
        score = marks[candidate]
        if score < self._threshold:
            self._drop(candidate)
        elif candidate > 0:
            gap_s = times[candidate] - times[candidate - 1]
            if gap_s <= self._suppression_s:
                is_better = score > marks[candidate - 1]
                self._drop(candidate - 1 if is_better else candidate)
            elif gap_s < self._cooldown_s:
                self._drop(candidate)
