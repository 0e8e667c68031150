"""The planner's latents of the demonstrations, dealt out as a run would see them: late, and few."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fast_brain.policies.flow_network import COGNITIVE_TOKENS, LATENT_WIDTH, PERCEPTUAL_TOKENS
from fast_brain.training.answers import Answers
from fast_brain.training.delays import Delay, Delays
from fast_brain.training.frames import Frames
from fast_brain.training.rehearsals import KIND_SHARES, Entries, Looks, Rehearsal

MAX_AGE_S = 2.0
# So many memories are of a planner that is later still.
_LATE_SHARE = 0.3
LATE_MAX_AGE_S = 5.0
_FPS = 20
# After so many samples an episode is rehearsed anew, with another memory.
_DRAWS_A_REHEARSAL = 120


@dataclass(frozen=True)
class Told:
    """What the memory would hold for each sample; the last entry is the current latent.

    The tensors are those of `PolicyInput`, and which entries of the cognitive stream show what is
    asked for, where that is known: ``shows_answer [B, L]``.
    """

    perceptual: torch.Tensor
    cognitive: torch.Tensor
    elapsed_s: torch.Tensor
    cognitive_elapsed_s: torch.Tensor
    now_s: torch.Tensor
    is_kept: torch.Tensor
    shows_answer: torch.Tensor
    is_found: np.ndarray


def blank(batch: int, length: int = 1) -> Told:
    """Return memories of ``length`` entries, none of which counts but an empty last one."""
    is_kept = torch.zeros(batch, length, dtype=torch.bool)
    is_kept[:, -1] = True
    return Told(
        torch.zeros(batch, length, PERCEPTUAL_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, length, COGNITIVE_TOKENS, LATENT_WIDTH),
        torch.zeros(batch, length),
        torch.zeros(batch, length),
        torch.zeros(batch),
        is_kept,
        torch.zeros(batch, length, dtype=torch.bool),
        np.zeros(batch, bool),
    )


class NoLatents:
    """Stands in while there is no trained planner yet."""

    def draw(self, rows: np.ndarray, random: np.random.Generator) -> Told:  # noqa: ARG002
        """Return empty memories."""
        return blank(len(rows))


class LatentLibrary:
    """Latents by episode and frame, with the subtask the planner had decided on.

    The file is an ``npz`` with ``perceptual [K, N, D]``, ``cognitive [K, M, D]`` (float16),
    ``episode [K]``, ``frame [K]`` and ``subtask [K]``, in order of episode and frame.

    ``shares`` say how often each kind of memory is rehearsed.
    """

    def __init__(
        self, path: Path, frames: Frames, shares: Mapping[str, float] = KIND_SHARES
    ) -> None:
        with np.load(path) as file:
            self._perceptual, self._cognitive = file["perceptual"], file["cognitive"]
            self._frame, self._subtask = file["frame"], file["subtask"]
            episode = file["episode"]
        self._frames = frames
        self._delays = Delays(frames)
        self._answers = Answers(frames)
        self._shares = shares
        numbers = np.unique(episode)
        edges = zip(
            np.searchsorted(episode, numbers, "left"),
            np.searchsorted(episode, numbers, "right"),
            strict=True,
        )
        self._edges = {int(n): (int(a), int(b)) for n, (a, b) in zip(numbers, edges, strict=True)}
        self._rehearsals: dict[int, tuple[Rehearsal, int]] = {}

    def draw(self, rows: np.ndarray, random: np.random.Generator) -> Told:
        """Return, for each row, what a memory would have held by then.

        The current latent must have decided on the subtask that is being done; a late planner's
        latent that still says so counts too, up to ``MAX_AGE_S``, some up to ``LATE_MAX_AGE_S``.
        The arm may have been slower until then than the demonstrator (`delays.py`).
        """
        found = [self._find(int(row), random) for row in rows]
        held = [each and each[0].tokens(each[1]) for each in found]
        told = blank(len(rows), max((len(each[0]) for each in held if each), default=1))
        for line, row in enumerate(rows):
            chosen, tokens = found[line], held[line]
            if chosen is None or tokens is None:
                continue
            rehearsal, place = chosen
            count = len(tokens[0])
            now_s = int(self._frames.frame[row]) / _FPS
            delay = self._delays.draw(int(row), random)
            perceptual, cognitive = rehearsal.views[place]
            told.perceptual[line, -count:] = torch.from_numpy(tokens[0])
            told.cognitive[line, -count:] = torch.from_numpy(tokens[1])
            told.elapsed_s[line, -count:] = _elapsed_s(delay, now_s, perceptual)
            told.cognitive_elapsed_s[line, -count:] = _elapsed_s(delay, now_s, cognitive)
            told.now_s[line] = delay.later(now_s)
            told.is_kept[line, -count:] = True
            shows = self._answers.seen_in(int(row), cognitive.time_s)
            told.shows_answer[line, -count:] = torch.from_numpy(shows)
            told.is_found[line] = True
        return told

    def _find(self, row: int, random: np.random.Generator) -> tuple[Rehearsal, int] | None:
        """A rehearsal of the row's episode, and the place in it of a latent that fits the row."""
        episode, now = int(self._frames.episode[row]), int(self._frames.frame[row])
        if episode not in self._edges:
            return None
        first, _ = self._edges[episode]
        rehearsal = self._rehearsal(episode, random)
        longest_s = LATE_MAX_AGE_S if random.random() < _LATE_SHARE else MAX_AGE_S
        frames = self._frame[first + rehearsal.looks]
        oldest, newest = np.searchsorted(frames, [max(now - longest_s * _FPS, 0), now + 1])
        wanted = self._frames.subtask[row]
        fitting = [
            place
            for place in range(oldest, newest)
            if self._subtask[first + rehearsal.looks[place]] == wanted
        ]
        return (rehearsal, int(random.choice(fitting))) if fitting else None

    def _rehearsal(self, episode: int, random: np.random.Generator) -> Rehearsal:
        known, draws = self._rehearsals.get(episode, (None, 0))
        if known is None or draws >= _DRAWS_A_REHEARSAL:
            first, last = self._edges[episode]
            looks = Looks(
                self._frame[first:last],
                self._perceptual[first:last],
                self._cognitive[first:last],
                [str(text) for text in self._subtask[first:last]],
            )
            known, draws = Rehearsal(looks, random, self._shares), 0
        self._rehearsals[episode] = (known, draws + 1)
        return known


def _elapsed_s(delay: Delay, now_s: float, entries: Entries) -> torch.Tensor:
    return torch.from_numpy(delay.elapsed_s(now_s, entries.time_s).astype(np.float32))
