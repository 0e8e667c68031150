"""Writes an answer token by token, and reads several at once where they can be foreseen."""

from collections.abc import Generator
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache

from slow_brain.engines.engine import Mend
from slow_brain.engines.hidden_layer import HiddenLayer
from slow_brain.engines.kept_prefix import KeptPrefix
from slow_brain.foreseen import ForeseenTokens


class Draw:
    """Draws tokens by their probabilities; the same ones for the same seed.

    Args:
        temperature: What the logits are divided by, > 0.
        seed: Fixes what is drawn.
    """

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        self._random = torch.Generator().manual_seed(seed)

    def token(self, logits: torch.Tensor) -> int:
        """Return a token drawn by ``logits [V]``."""
        shares = (logits.float().cpu() / self._temperature).softmax(-1)
        return int(torch.multinomial(shares, 1, generator=self._random))


class Choice(NamedTuple):
    """How tokens are chosen: drawn, or the likeliest; put right where they contradict the text."""

    draw: Draw | None = None
    mend: Mend | None = None


class TokenWriter:
    """Chooses an answer's tokens with a loaded model; each is read before the next is chosen.

    Args:
        model: Any `AutoModelForImageTextToText`.
        tokenizer: Its tokenizer.
        layer: Takes note of the hidden states of each pass.
        prefix: Knows whether what a cache holds can be taken back.
        ends: Tokens that end an answer, and are not read.
        act: The token that ends an answer once it is read; None if there is none.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # transformers has no common type for these models.
        tokenizer: Any,  # noqa: ANN401  # As above.
        layer: HiddenLayer,
        prefix: KeptPrefix,
        *,
        ends: frozenset[int],
        act: int | None,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._layer, self._prefix = layer, prefix
        self._ends, self._act = ends, act
        self._foreseen = ForeseenTokens()

    @torch.inference_mode()
    def forward(self, cache: DynamicCache, **inputs: torch.Tensor) -> torch.Tensor:
        """Read on, and return the last hidden states ``[1, T, D]``."""
        outputs = self._model.model(**inputs, past_key_values=cache, use_cache=True)
        self._layer.note(outputs.last_hidden_state)
        return outputs.last_hidden_state

    def write(
        self, cache: DynamicCache, hidden: torch.Tensor, read: list[int], most: int, choice: Choice
    ) -> Generator[int]:
        """Yield the answer's tokens until one ends it.

        When a token is yielded that nothing follows, the layer's last state is that of the last
        token read.

        Args:
            cache: Holds all that has been read.
            hidden: Of the last pass ``[1, T, D]``.
            read: The tokens in the cache; goes on with those of the answer.
            most: How many tokens there may be.
            choice: How the next one is chosen.
        """
        written: list[int] = []
        while len(written) < most:
            due = self._mended(written, self._next(hidden, choice.draw), choice.mend)
            if due[0] in self._ends:
                self._foreseen.keep(written)
                yield due[0]
                return
            block = [*due, *self._guess(cache, [*written, *due], choice)][: most - len(written)]
            hidden = self._read_block(cache, written, block, len(due), choice.mend)
            accepted = block[: hidden.shape[1]]
            written += accepted
            read += accepted
            is_complete = written[-1] == self._act
            if is_complete:
                # Before it is told: whoever has heard an answer's end may ask for no more.
                self._foreseen.keep(written)
            yield from accepted
            if is_complete:
                return

    def _guess(self, cache: DynamicCache, written: list[int], choice: Choice) -> list[int]:
        """Return tokens that may come next; none where they are drawn, or cannot be taken back."""
        if choice.draw is not None or written[-1] == self._act or not self._prefix.can_cut(cache):
            return []
        return self._foreseen.after(written)

    def _read_block(
        self, cache: DynamicCache, written: list[int], block: list[int], due: int, mend: Mend | None
    ) -> torch.Tensor:
        """Read tokens in one pass, take back the guesses that come out wrong; return the states."""
        tokens = torch.tensor([block], device=self._model.device)
        hidden = self.forward(cache, input_ids=tokens)
        count = due
        if len(block) > due:
            chosen = self._likeliest(hidden)
            while count < len(block) and self._mended(
                written + block[:count], chosen[count - 1], mend
            ) == [block[count]]:
                count += 1
        if count < len(block):
            cache.crop(count - len(block))
            self._layer.keep_first(count)
        return hidden[:, :count]

    def _mended(self, written: list[int], token: int, mend: Mend | None) -> list[int]:
        """Return the token, or those of what has to stand in its place."""
        if mend is None or token in self._ends or token == self._act:
            return [token]
        after = self._tokenizer.decode([*written, token])
        right = mend(after)
        if right == after:
            return [token]
        before = self._tokenizer.decode(written)
        if not right.startswith(before):
            return [token]
        words = right[len(before) :]
        return self._tokenizer(words, add_special_tokens=False)["input_ids"] or [token]

    @torch.inference_mode()
    def _next(self, hidden: torch.Tensor, draw: Draw | None) -> int:
        logits = self._model.lm_head(hidden[0, -1])
        return int(logits.argmax()) if draw is None else draw.token(logits)

    @torch.inference_mode()
    def _likeliest(self, hidden: torch.Tensor) -> list[int]:
        """What would come after each token of the last pass."""
        return self._model.lm_head(hidden[0]).argmax(-1).tolist()
