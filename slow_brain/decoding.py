"""Decoding, one token at a time, with the hidden states of the very same request.

Works for every model of transformers that reads pictures and writes text in one causal sequence. A
generator, so that a newer request can close it between two tokens. What the last request began
with is not read twice: the keys and values of the common beginning are kept where the model's class
allows. What the last answer lets foresee is read in one pass.
"""

from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from bridge.arrays import ImageArray
from slow_brain.answer_tokens import Choice, Draw, TokenWriter
from slow_brain.engines.chat_inputs import image_token_id
from slow_brain.engines.engine import (
    ANSWER_END,
    PROMPT_END,
    EngineOutput,
    Finish,
    HiddenStates,
    LatentTap,
    Mend,
    TextPiece,
)
from slow_brain.engines.hidden_layer import HiddenLayer
from slow_brain.engines.kept_prefix import KeptPrefix
from slow_brain.prompt import ACT_TOKEN

SHIPPED_TAP = LatentTap(cognitive=ACT_TOKEN)


class TextDecoder:
    """Decodes with a loaded model; not for use by two threads at once.

    Args:
        model: Any `AutoModelForImageTextToText`.
        processor: Its processor.
        tap: Which hidden states to hand over.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # transformers has no common type for these models.
        processor: Any,  # noqa: ANN401  # As above.
        tap: LatentTap = SHIPPED_TAP,
    ) -> None:
        self._model = model
        self._tokenizer = processor.tokenizer
        self._processor = processor
        self._tap = tap
        self._layer = HiddenLayer(model, tap.layer)
        self._image_token = image_token_id(model.config)
        self._act = None
        if tap.cognitive not in (ANSWER_END, PROMPT_END):
            self._act = self._tokenizer.convert_tokens_to_ids(tap.cognitive)
        self._ends = _end_tokens(model, self._tokenizer)
        self._prefix = KeptPrefix(model)
        self._writer = TokenWriter(
            model, self._tokenizer, self._layer, self._prefix, ends=self._ends, act=self._act
        )

    def decode(
        self, prompt: str, image: ImageArray, max_tokens: int
    ) -> Iterator[TextPiece | HiddenStates]:
        """Yield text as it is written, then the hidden states once the act token is there.

        Args:
            prompt: Text with one image placeholder.
            image: uint8 ``[H, W, 3]``.
            max_tokens: Decoding stops here even if the model does not.
        """
        inputs = self._processor(text=[prompt], images=[[image]], return_tensors="pt")
        for piece in self.decode_inputs(inputs, max_tokens):
            if not isinstance(piece, Finish):
                yield piece

    def decode_inputs(
        self,
        inputs: Any,  # noqa: ANN401  # Tensors by name, typed differently by each processor.
        max_tokens: int,
        draw: Draw | None = None,
        mend: Mend | None = None,
    ) -> Generator[EngineOutput]:
        """Decode what a processor made of one prompt; the last thing yielded is a `Finish`.

        Args:
            inputs: Tensors of a batch of one, such as `input_ids` ``[1, T]``.
            max_tokens: As for `decode`.
            draw: Chooses the tokens; None takes the likeliest each time.
            mend: Puts the words right that a token would end; None leaves all as they come.
        """
        ids: list[int] = inputs["input_ids"][0].tolist()
        cache, reused = self._prefix.take(ids, self._image_token)
        read = ids[:reused]
        try:
            hidden = self._prefill(cache, inputs, reused)
            read = list(ids)
            perceptual = self._perceptual(inputs, reused)
            if self._tap.cognitive == PROMPT_END:
                yield HiddenStates(perceptual, self._last_state())
            written: list[int] = []
            shown, is_complete = 0, False
            for token in self._writer.write(cache, hidden, read, max_tokens, Choice(draw, mend)):
                is_complete = token in self._ends or token == self._act
                if token in self._ends:
                    break
                written.append(token)
                if is_complete:
                    yield HiddenStates(perceptual, self._last_state())
                    break
                text = self._tokenizer.decode(written)
                if not text.endswith("\ufffd"):
                    yield TextPiece(text[shown:])
                    shown = len(text)
            if is_complete and self._tap.cognitive == ANSWER_END:
                yield HiddenStates(perceptual, self._last_state())
            yield Finish(is_complete, len(written), len(ids), reused)
        finally:
            self._prefix.give_back(cache, read)

    def read(self, inputs: Any) -> HiddenStates:  # noqa: ANN401  # As for `decode_inputs`.
        """Return the states of a text that is already written, the last token's as cognitive."""
        ids: list[int] = inputs["input_ids"][0].tolist()
        cache, reused = self._prefix.take(ids, self._image_token)
        self._prefill(cache, inputs, reused)
        self._prefix.give_back(cache, ids)
        return HiddenStates(self._perceptual(inputs, reused), self._last_state())

    def _prefill(self, cache: DynamicCache, inputs: Any, reused: int) -> torch.Tensor:  # noqa: ANN401  # As for `decode_inputs`.
        """Read the part of the prompt that is not in the cache."""
        if not reused:
            return self._writer.forward(cache, **inputs)
        rest = {**inputs, "input_ids": inputs["input_ids"][:, reused:]}
        return self._writer.forward(cache, **rest)

    def _perceptual(self, inputs: Any, reused: int) -> np.ndarray:  # noqa: ANN401  # As above.
        is_image = inputs["input_ids"][0, reused:] == self._image_token
        return _array(pooled(self._layer.states[0, is_image], self._tap.perceptual_tokens))

    def _last_state(self) -> np.ndarray:
        return _array(self._layer.states[0, -1:])

    @torch.inference_mode()
    def read_along(
        self, ids: torch.Tensor, mask: torch.Tensor, pixels: torch.Tensor, act_index: torch.Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the states that decoding given texts would have had, for many at once.

        Args:
            ids: Prompt, image and answer tokens ``[B, T]``, right-padded.
            mask: 1 where there is a token ``[B, T]``.
            pixels: ``[B, 1, 3, H, W]``.
            act_index: Where the act token stands ``[B]``.

        Returns:
            Perceptual ``[B, N, D]`` and cognitive ``[B, 1, D]``, float32.
        """
        hidden = self._model.model(
            input_ids=ids, attention_mask=mask, pixel_values=pixels, use_cache=False
        ).last_hidden_state
        is_image = ids == self._image_token
        perceptual = hidden[is_image].view(len(ids), -1, hidden.shape[-1])
        return perceptual.numpy(), hidden[torch.arange(len(ids)), act_index].unsqueeze(1).numpy()


def pooled(states: torch.Tensor, tokens: int) -> torch.Tensor:
    """Average ``[N, D]`` group by group, in order, down to ``[tokens, D]``; 0 keeps all."""
    if tokens in (0, len(states)):
        return states
    return torch.nn.functional.adaptive_avg_pool1d(states.float().T.unsqueeze(0), tokens)[0].T


def _array(states: torch.Tensor) -> np.ndarray:
    """As float32 in this process's own memory, wherever and however the model computes."""
    return states.float().cpu().numpy()


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401  # As above.
    """Every token that ends an answer: a chat model has more than one."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(each for each in (*listed, tokenizer.eos_token_id) if each is not None)
