"""Answers with replies that were written down: to try a prompt or a planner without a model."""

import math
from collections.abc import Generator, Sequence

import numpy as np

from bridge.specs import LatentSpec
from slow_brain.engines.engine import (
    EngineInfo,
    EngineOutput,
    EngineRequest,
    Finish,
    HiddenStates,
    TextPiece,
)

_LETTERS_PER_TOKEN = 4


class RecordedEngine:
    """Gives one reply after the other, in pieces, then begins again with the first.

    Its hidden states are zeros, except for the number of the reply.

    Args:
        replies: What to answer.
        latent_tokens: Perceptual tokens; 0 for an engine without hidden states.
        latent_width: How wide they are.
        is_complete: Whether an answer ends by itself, or is cut off.
    """

    def __init__(
        self,
        *,
        replies: Sequence[str],
        latent_tokens: int = 0,
        latent_width: int = 8,
        is_complete: bool = True,
    ) -> None:
        self._replies = tuple(replies)
        self._is_complete = is_complete
        self.asked: list[EngineRequest] = []
        latent = None
        if latent_tokens:
            latent = LatentSpec(
                perceptual_tokens=latent_tokens, cognitive_tokens=1, width=latent_width
            )
        self._info = EngineInfo(name="recorded", latent=latent)

    @property
    def info(self) -> EngineInfo:
        """Latents of the size it was made with."""
        return self._info

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Yield the next reply in pieces of a few letters."""
        number = len(self.asked) % len(self._replies)
        self.asked.append(request)
        reply = self._replies[number]
        for start in range(0, len(reply), _LETTERS_PER_TOKEN):
            yield TextPiece(reply[start : start + _LETTERS_PER_TOKEN])
        latent = self._info.latent
        if latent is not None:
            yield HiddenStates(
                np.full((latent.perceptual_tokens, latent.width), number, np.float32),
                np.full((1, latent.width), number, np.float32),
            )
        yield Finish(is_complete=self._is_complete, tokens=self.count_tokens(reply))

    def count_tokens(self, text: str) -> int:
        """As if a token were four letters."""
        return math.ceil(len(text) / _LETTERS_PER_TOKEN)

    def close(self) -> None:
        """Nothing to free."""
