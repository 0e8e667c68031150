"""The planner's latents of the demonstrations, dealt out as a run would see them: late, and few."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fast_brain.policies.flow_network import COGNITIVE_TOKENS, LATENT_WIDTH, PERCEPTUAL_TOKENS
from fast_brain.training.frames import Frames

MEMORY_LENGTH = 8
MAX_AGE_S = 2.0
# So many memories are of a planner that is later still.
_LATE_SHARE = 0.3
LATE_MAX_AGE_S = 5.0
_FPS = 20
# A planner's rate is not known in training: memories lie this far apart [s].
_SHORTEST_GAP_S, _LONGEST_GAP_S = 0.4, 2.0


@dataclass(frozen=True)
class Told:
    """What the memory would hold for each sample; the last entry is the current latent."""

    perceptual: torch.Tensor
    cognitive: torch.Tensor
    elapsed_s: torch.Tensor
    is_kept: torch.Tensor
    is_found: np.ndarray


def empty(batch: int) -> Told:
    """Return a memory in which nothing is remembered."""
    return Told(
        torch.zeros(batch, 1, PERCEPTUAL_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, 1, COGNITIVE_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, 1),
        torch.ones(batch, 1, dtype=torch.bool),
        np.zeros(batch, bool),
    )


class NoLatents:
    """Stands in while there is no trained planner yet."""

    def draw(self, rows: np.ndarray, random: np.random.Generator) -> Told:  # noqa: ARG002
        """Return empty memories."""
        return empty(len(rows))


class LatentLibrary:
    """Latents by episode and frame, with the subtask the planner had decided on.

    The file is an ``npz`` with ``perceptual [K, N, D]``, ``cognitive [K, M, D]`` (float16),
    ``episode [K]``, ``frame [K]`` and ``subtask [K]``, in order.
    """

    def __init__(self, path: Path, frames: Frames) -> None:
        with np.load(path) as file:
            self._perceptual, self._cognitive = file["perceptual"], file["cognitive"]
            self._episode, self._frame = file["episode"], file["frame"]
            self._subtask = file["subtask"]
        self._frames = frames
        self._key = self._episode.astype(np.int64) * 100_000 + self._frame

    def draw(self, rows: np.ndarray, random: np.random.Generator) -> Told:
        """Return, for each row, a current latent 0 to ``MAX_AGE_S`` old and older ones before it.

        The current one must have decided on the subtask that is being done; a late planner's
        latent that still says so counts too. Some are up to ``LATE_MAX_AGE_S`` old. While the arm
        waits nothing changes but the time, so a short wait stands for a long one as well.
        """
        told = _blank(len(rows))
        for line, row in enumerate(rows):
            chosen = self._entries(int(row), random)
            if not chosen:
                continue
            now = int(self._frames.frame[row])
            count = len(chosen)
            told.perceptual[line, -count:] = torch.from_numpy(self._perceptual[chosen]).float()
            told.cognitive[line, -count:] = torch.from_numpy(self._cognitive[chosen]).float()
            waited_s = self._longer_wait_s(int(row), random)
            elapsed_s = (now - self._frame[chosen]) / _FPS + waited_s
            told.elapsed_s[line, -count:] = torch.from_numpy(elapsed_s)
            told.is_kept[line, -count:] = True
            told.is_found[line] = True
        told.is_kept[:, -1] = True
        return told

    def _longer_wait_s(self, row: int, random: np.random.Generator) -> float:
        """How much longer the arm is said to have waited already [s]."""
        is_late = self._frames.is_hovering[row] and random.random() < _LATE_SHARE
        return float(random.uniform(0, LATE_MAX_AGE_S - MAX_AGE_S)) if is_late else 0.0

    def _entries(self, row: int, random: np.random.Generator) -> list[int]:
        episode, now = int(self._frames.episode[row]), int(self._frames.frame[row])
        longest_s = LATE_MAX_AGE_S if random.random() < _LATE_SHARE else MAX_AGE_S
        oldest = max(now - longest_s * _FPS, 0)
        first, last = np.searchsorted(
            self._key, [episode * 100_000 + oldest, episode * 100_000 + now + 1]
        )
        fitting = [k for k in range(first, last) if self._subtask[k] == self._frames.subtask[row]]
        if not fitting:
            return []
        chosen = [int(random.choice(fitting))]
        gap = random.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S) * _FPS
        wanted = int(random.integers(1, MEMORY_LENGTH + 1))
        while len(chosen) < wanted:
            before = int(self._frame[chosen[0]] - gap * random.uniform(0.7, 1.3))
            entry = int(np.searchsorted(self._key, episode * 100_000 + max(before, 0), "right")) - 1
            if entry < 0 or self._episode[entry] != episode or entry >= chosen[0]:
                break
            chosen.insert(0, entry)
        return chosen


def _blank(batch: int) -> Told:
    return Told(
        torch.zeros(batch, MEMORY_LENGTH, PERCEPTUAL_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, MEMORY_LENGTH, COGNITIVE_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, MEMORY_LENGTH),
        torch.zeros(batch, MEMORY_LENGTH, dtype=torch.bool),
        np.zeros(batch, bool),
    )
