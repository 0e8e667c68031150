"""An engine that answers every question twice, in turns: word by word, and with foreseen words."""

import time
from collections.abc import Generator
from typing import Any, NamedTuple

from slow_brain.engines.engine import EngineOutput, EngineRequest, Finish, TextPiece
from slow_brain.engines.transformers_engine import TransformersEngine


class Answer(NamedTuple):
    """One question's answer both ways: how long each took, its length, whether the texts differ."""

    word_by_word_ms: float
    foreseen_ms: float
    tokens: int
    differs: bool


class TwiceEngine(TransformersEngine):
    """The engine as it is shipped; the times of both ways stand in `answers`, of all engines."""

    answers: list[Answer] = []  # noqa: RUF012  # The agent makes the engine: there is no other way to it.

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # As for the engine.
        super().__init__(**options)
        self._plain = TransformersEngine(**options)

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Answer as always, after the other one has answered word by word."""
        # A last answer without words lets nothing be foreseen.
        self._plain._decoder._writer._foreseen.keep([])  # noqa: SLF001  # What is measured.
        plain, plain_ms = _timed(self._plain.generate(request))
        pieces, ours_ms = _timed(super().generate(request))
        finish = pieces[-1]
        if isinstance(finish, Finish) and request.temperature == 0:
            differs = _text(plain) != _text(pieces)
            self.answers.append(Answer(plain_ms, ours_ms, finish.tokens, differs))
        yield from pieces


def _timed(pieces: Generator[EngineOutput]) -> tuple[list[EngineOutput], float]:
    start = time.perf_counter()
    return list(pieces), (time.perf_counter() - start) * 1000


def _text(pieces: list[EngineOutput]) -> str:
    return "".join(each.text for each in pieces if isinstance(each, TextPiece))
