"""Greedy decoding, one token at a time, with the hidden states of the very same request.

A generator, so that a newer request can close it between two tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, Idefics3ForConditionalGeneration, Idefics3Processor

from bridge.arrays import FloatArray, ImageArray
from slow_brain.checkpoint import END
from slow_brain.prompt import ACT_TOKEN


@dataclass(frozen=True)
class TextPiece:
    """A piece of text that is whole: no half letters of a multi-byte one."""

    text: str


@dataclass(frozen=True)
class HiddenStates:
    """Last-layer states of the request: image tokens ``[N, D]`` and the act token ``[1, D]``."""

    perceptual: FloatArray
    cognitive: FloatArray


class GreedyDecoder:
    """Decodes plans with a loaded model; not for use by two threads at once."""

    def __init__(
        self, model: Idefics3ForConditionalGeneration, processor: Idefics3Processor
    ) -> None:
        self._model = model
        self._processor = processor
        token = processor.tokenizer.convert_tokens_to_ids
        self._act, self._end = token(ACT_TOKEN), token(END)

    def decode(
        self, prompt: str, image: ImageArray, max_tokens: int
    ) -> Iterator[TextPiece | HiddenStates]:
        """Yield text as it is written, then the hidden states once the act token is there.

        Args:
            prompt: Text with one image placeholder.
            image: uint8 ``[H, W, 3]``.
            max_tokens: Decoding stops here even if the model does not.
        """
        inputs = self._processor(
            text=[prompt],
            images=[[image]],
            return_tensors="pt",  # pyright: ignore[reportCallIssue]  # Typed as **kwargs upstream.
        )
        is_image = inputs["input_ids"][0] == self._model.config.image_token_id
        cache = DynamicCache(
            config=self._model.config.text_config  # pyright: ignore[reportArgumentType]  # Loaded.
        )
        with torch.inference_mode():
            hidden = self._forward(cache, **inputs)
            perceptual = hidden[0, is_image].numpy()
        written: list[int] = []
        shown = 0
        for _ in range(max_tokens):
            token = self._next(hidden)
            if token == self._end:
                return
            hidden = self._forward(cache, input_ids=torch.tensor([[token]]))
            if token == self._act:
                yield HiddenStates(perceptual, hidden[0, -1:].numpy())
                return
            written.append(token)
            text = self._processor.tokenizer.decode(written)
            if not text.endswith("\ufffd"):
                yield TextPiece(text[shown:])
                shown = len(text)

    @torch.inference_mode()
    def _forward(self, cache: DynamicCache, **inputs: torch.Tensor) -> torch.Tensor:
        outputs = self._model.model(**inputs, past_key_values=cache, use_cache=True)
        return outputs.last_hidden_state

    @torch.inference_mode()
    def _next(self, hidden: torch.Tensor) -> int:
        return int(self._model.lm_head(hidden[:, -1]).argmax())

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
        is_image = ids == self._model.config.image_token_id
        perceptual = hidden[is_image].view(len(ids), -1, hidden.shape[-1])
        return perceptual.numpy(), hidden[torch.arange(len(ids)), act_index].unsqueeze(1).numpy()
