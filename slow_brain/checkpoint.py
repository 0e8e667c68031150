"""The planner's model on disk in Hugging Face layout: made from scratch, saved, and loaded.

Idefics3 is the one vision-language family that transformers and vLLM both serve without
torchvision.
"""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from bridge.errors import MissingWeightsError
from slow_brain.prompt import ACT_TOKEN, IMAGE_TOKEN

IMAGE_SIZE_PX = 96
PATCH_PX = 8
SCALE_FACTOR = 3
# (96 / 8)² patches, shuffled 3 x 3 into one token each.
IMAGE_TOKENS = (IMAGE_SIZE_PX // PATCH_PX // SCALE_FACTOR) ** 2
LATENT_WIDTH = 192
VOCABULARY = 1024
PAD, BEGIN, END = "<pad>", "<s>", "</s>"
FAKE_TOKEN, GLOBAL_TOKEN = "<fake_token_around_image>", "<global-img>"
END_OF_UTTERANCE = "<end_of_utterance>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
)


def train_tokenizer(texts: Iterable[str], phrases: Iterable[str] = ()) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of up to ``VOCABULARY`` entries learned from ``texts``.

    Each of ``phrases``, after a space, is one token more: what is named again and again, as a step
    is, is copied at once and cannot be left for another one in between.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [PAD, BEGIN, END, IMAGE_TOKEN, FAKE_TOKEN, GLOBAL_TOKEN, END_OF_UTTERANCE, ACT_TOKEN]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(f" {phrase}", normalized=False) for phrase in phrases])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=special[3:],
        chat_template=_CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def make_processor(tokenizer: PreTrainedTokenizerFast) -> Idefics3Processor:
    """Return the processor: one 96 px picture becomes ``IMAGE_TOKENS`` tokens and two marks."""
    size = {"longest_edge": IMAGE_SIZE_PX}
    image_processor = Idefics3ImageProcessorPil(
        do_image_splitting=False,
        size=size,
        max_image_size=size,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Idefics3Processor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        image_seq_len=IMAGE_TOKENS,
        chat_template=_CHAT_TEMPLATE,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> Idefics3ForConditionalGeneration:
    """Return an untrained model of about 2.6 million parameters."""
    token = tokenizer.convert_tokens_to_ids
    config = Idefics3Config(
        text_config={
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": LATENT_WIDTH,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "max_position_embeddings": 1024,
            "rope_theta": 10000.0,
            "pad_token_id": token(PAD),
            "bos_token_id": token(BEGIN),
            "eos_token_id": token(END),
            "tie_word_embeddings": True,
        },
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": IMAGE_SIZE_PX,
            "patch_size": PATCH_PX,
        },
        scale_factor=SCALE_FACTOR,
        image_token_id=token(IMAGE_TOKEN),  # pyright: ignore[reportArgumentType]  # One token, one id.
        pad_token_id=token(PAD),  # pyright: ignore[reportArgumentType]  # As above.
        tie_word_embeddings=True,
    )
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config.eos_token_id = token(END)
    model.generation_config.pad_token_id = token(PAD)
    return model


def load(
    folder: Path,
) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    """Load model and processor from ``folder``; nothing is fetched from anywhere.

    Raises:
        MissingWeightsError: The folder has no weights.
    """
    if not (folder / "model.safetensors").is_file():
        raise MissingWeightsError(path=str(folder), how_to_make="agent train planner")
    model = Idefics3ForConditionalGeneration.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32
    )
    processor = Idefics3Processor.from_pretrained(folder, local_files_only=True)
    return model.eval(), processor


def save(
    folder: Path, model: Idefics3ForConditionalGeneration, processor: Idefics3Processor
) -> None:
    """Write model and processor to ``folder`` (safetensors, tokenizer, processor settings)."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
