"""A chat as the model was trained to read it: its own template, its own picture preparation."""

from typing import Any

import numpy as np

from bridge.errors import ConfigError
from slow_brain.engines.engine import ANSWER_END, PROMPT_END, LatentTap, Turn

_PROBE_PX = 224


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


def processor_inputs(processor: Any, turns: tuple[Turn, ...], answer: str = "") -> Any:  # noqa: ANN401  # Tensors by name, typed differently by each processor.
    """Return the model's inputs for the chat and the beginning of its answer, a batch of one."""
    pictures = [picture for turn in turns for picture in turn.pictures]
    given = {"images": [pictures]} if pictures else {}
    text = [chat_text(processor, turns) + answer]
    # A chat template writes the special tokens itself.
    return processor(text=text, return_tensors="pt", add_special_tokens=False, **given)


def image_token_id(config: Any) -> int:  # noqa: ANN401  # transformers has no common type for it.
    """Return the token that stands for a part of a picture; older classes name it otherwise."""
    found = getattr(config, "image_token_id", None)
    return config.image_token_index if found is None else found


def picture_tokens(processor: Any, config: Any) -> int:  # noqa: ANN401  # As above.
    """Return how many tokens a picture of the model's size becomes."""
    size = picture_px(processor) or _PROBE_PX
    blank = np.zeros((size, size, 3), np.uint8)
    ids = processor_inputs(processor, (Turn("user", (blank,)),))["input_ids"]
    return int((ids == image_token_id(config)).sum())


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
