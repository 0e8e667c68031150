"""Runs a vision-language model of transformers in this process, on its own threads.

It cannot hold a model to a JSON schema: a reply that is no plan is asked for once more.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bridge.errors import ConfigError, ContractError
from bridge.specs import LatentSpec
from slow_brain.decoding import SHIPPED_TAP, GreedyDecoder, image_token_id
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
from slow_brain.engines.model_files import SHIPPED_WEIGHTS, load_model, load_processor
from slow_brain.engines.settings import checked

_PROBE_PX = 224


class TransformersEngine:
    """Any `AutoModelForImageTextToText` from a folder in Hugging Face layout.

    Args:
        weights: The folder; the shipped planner's if empty.
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
        folder = Path(weights) if weights else SHIPPED_WEIGHTS
        chosen = SHIPPED_TAP if tap is None else checked(LatentTap, tap, "engine_options.tap")
        self._processor = load_processor(folder)
        self._model = load_model(folder, dtype).to(device)
        self._tap, self._device = chosen, device
        check_token(self._processor, chosen)
        self._decoder = GreedyDecoder(self._model, self._processor, chosen)
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
        tokens = self._tap.perceptual_tokens
        if not tokens:
            size = picture_px(self._processor) or _PROBE_PX
            blank = np.zeros((size, size, 3), np.uint8)
            ids = self._inputs((Turn("user", (blank,)),))["input_ids"]
            tokens = int((ids == image_token_id(self._model)).sum())
        width = self._model.get_input_embeddings().embedding_dim
        return LatentSpec(perceptual_tokens=tokens, cognitive_tokens=1, width=width)

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        """Write the answer, the most likely token each time.

        Raises:
            ContractError: Prompt and answer together are longer than the model can read.
        """
        inputs = self._inputs(request.turns)
        self._check_length(inputs["input_ids"].shape[-1], request.max_tokens)
        yield from self._decoder.decode_inputs(inputs, request.max_tokens)

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
        text = chat_text(self._processor, turns) + answer
        pictures = [picture for turn in turns for picture in turn.pictures]
        given = {"images": [pictures]} if pictures else {}
        inputs = self._processor(
            text=[text], return_tensors="pt", add_special_tokens=False, **given
        )
        return inputs.to(self._device)

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


def chat_text(processor: Any, turns: tuple[Turn, ...]) -> str:  # noqa: ANN401  # transformers has no common type.
    """Return the chat as the model was trained to read it, by its own template."""
    messages = [
        {
            "role": turn.role,
            "content": [
                {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
                for part in turn.content
            ],
        }
        for turn in turns
    ]
    return processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def check_token(processor: Any, tap: LatentTap) -> None:  # noqa: ANN401  # As above.
    """Refuse a cognitive token that the tokenizer does not have.

    Raises:
        ConfigError: Says what may stand there instead.
    """
    tokenizer = processor.tokenizer
    if tap.cognitive in (ANSWER_END, PROMPT_END) or tap.cognitive in tokenizer.get_vocab():
        return
    raise ConfigError(
        f"The model has no token {tap.cognitive!r}, so its hidden state cannot be the cognitive "
        f"latent. Set `tap.cognitive` to a token it has, to {ANSWER_END!r} or to {PROMPT_END!r}."
    )


def picture_px(processor: Any) -> int:  # noqa: ANN401  # As above.
    """Return the one size of picture that the processor leaves as it is; 0 if there are many."""
    images = processor.image_processor
    if getattr(images, "do_image_splitting", True):
        return 0
    return int((getattr(images, "max_image_size", None) or {}).get("longest_edge", 0))
