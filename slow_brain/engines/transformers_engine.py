"""Runs a vision-language model of transformers in this process, on its own threads.

It cannot hold a model to a JSON schema: a reply that is no plan is asked for once more.
"""

import zlib
from collections.abc import Generator
from typing import Any

import torch

from bridge.errors import ContractError
from bridge.specs import LatentSpec
from slow_brain.answer_tokens import Draw
from slow_brain.decoding import SHIPPED_TAP, TextDecoder
from slow_brain.engines.chat_inputs import (
    check_token,
    picture_px,
    picture_tokens,
    processor_inputs,
)
from slow_brain.engines.engine import (
    ANSWER_END,
    PROMPT_END,
    EngineInfo,
    EngineOutput,
    EngineRequest,
    HiddenStates,
    LatentTap,
    Turn,
)
from slow_brain.engines.model_files import load_model, load_processor, weights_folder
from slow_brain.engines.settings import checked


class TransformersEngine:
    """Any `AutoModelForImageTextToText` from a folder in Hugging Face layout.

    Args:
        weights: The folder, or the name of a shipped one; the shipped planner's if empty.
        tap: Settings of `LatentTap`; those of the shipped planner if left out.
        threads: CPU threads for the model.
        dtype: Of the weights and the arithmetic, such as "float32" or "bfloat16".
        device: Where it runs, such as "cpu" or "cuda".

    Raises:
        ConfigError: No such model, layer, token or processor.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        tap: dict[str, Any] | None = None,
        threads: int = 1,
        dtype: str = "float32",
        device: str = "cpu",
    ) -> None:
        torch.set_num_threads(threads)
        folder = weights_folder(weights)
        chosen = SHIPPED_TAP if tap is None else checked(LatentTap, tap, "engine_options.tap")
        self._processor = load_processor(folder)
        self._model = load_model(folder, dtype).to(device)
        self._tap = chosen
        check_token(self._processor, chosen)
        self._decoder = TextDecoder(self._model, self._processor, chosen)
        self._info = EngineInfo(
            name="transformers",
            latent=self._latent(),
            picture_px=picture_px(self._processor),
            context_tokens=self._model.config.get_text_config(decoder=True).max_position_embeddings,
            details={"model": type(self._model).__name__, "weights": str(folder)},
        )

    @property
    def info(self) -> EngineInfo:
        """What the loaded model is and gives."""
        return self._info

    def _latent(self) -> LatentSpec:
        """One picture's tokens, as many as a blank one of the model's size becomes."""
        tokens = self._tap.perceptual_tokens or picture_tokens(self._processor, self._model.config)
        width = self._model.get_input_embeddings().embedding_dim
        return LatentSpec(perceptual_tokens=tokens, cognitive_tokens=1, width=width)

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Write the answer, the most likely token each time unless a temperature is asked for.

        Raises:
            ContractError: Prompt and answer together are longer than the model can read.
        """
        inputs = self._inputs(request.turns)
        self._check_length(inputs["input_ids"].shape[-1], request.max_tokens)
        draw = None
        if request.temperature > 0:
            draw = Draw(request.temperature, zlib.crc32(request.request_id.encode()))
        yield from self._decoder.decode_inputs(inputs, request.max_tokens, draw, request.mend)

    def encode(self, turns: tuple[Turn, ...], answer: str) -> HiddenStates:
        """Return the states that writing `answer` would have had; for text of another model.

        Raises:
            ContractError: It is longer than the model can read.
        """
        written = {PROMPT_END: "", ANSWER_END: answer}
        inputs = self._inputs(turns, written.get(self._tap.cognitive, answer + self._tap.cognitive))
        self._check_length(inputs["input_ids"].shape[-1], 0)
        return self._decoder.read(inputs)

    def _inputs(self, turns: tuple[Turn, ...], answer: str = "") -> Any:  # noqa: ANN401  # Tensors, typed differently by each processor.
        inputs = processor_inputs(self._processor, turns, answer)
        # Pictures are prepared as float32, whatever the model computes with.
        return inputs.to(device=self._model.device, dtype=self._model.dtype)

    def _check_length(self, prompt_tokens: int, max_tokens: int) -> None:
        limit = self._info.context_tokens
        if prompt_tokens + max_tokens > limit:
            raise ContractError(
                leaf="prompt",
                expected=f"at most {limit - max_tokens} tokens (the model reads {limit}, of which "
                f"{max_tokens} are for the answer)",
                got=f"{prompt_tokens} tokens",
            )

    def count_tokens(self, text: str) -> int:
        """Exactly, by the model's own tokenizer."""
        return len(self._processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def close(self) -> None:
        """Let the model go, so that its memory is free for another."""
        del self._decoder, self._model
