"""Gives a trained planner tokens for the words of new exercises, and takes its knowledge along.

A tokenizer learned from other texts spells new words letter by letter: sequences get long, and a
step of a plan is copied in five pieces instead of one. So another one is learned from the new
texts. A token that was there before keeps its embedding; a new one begins as the mean of the pieces
that spelled it.
"""

from collections.abc import Iterable
from typing import Any

import torch
from transformers import (
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

from slow_brain.checkpoint import make_processor, train_tokenizer


def learn_new_words(
    model: Idefics3ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    phrases: Iterable[str] = (),
) -> Idefics3Processor:
    """Change the model's embeddings to those of a tokenizer learned from ``texts``; return it.

    Args:
        model: Changed in place.
        tokenizer: The one that the model was trained with, of `train_tokenizer` too.
        texts: Prompts and answers; the same texts give the same tokens.
        phrases: What gets a token as a whole.
    """
    learned = train_tokenizer(texts, phrases)
    known: Any = model.get_input_embeddings()
    table = known.weight.detach()
    rows = [_begin(token, learned, tokenizer, table) for token in _tokens(learned)]
    model.resize_token_embeddings(len(rows), mean_resizing=False)
    changed: Any = model.get_input_embeddings()
    with torch.no_grad():
        changed.weight.copy_(torch.stack(rows))
    return make_processor(learned)


def _tokens(tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Every token, by its number."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _begin(
    token: str,
    learned: PreTrainedTokenizerFast,
    tokenizer: PreTrainedTokenizerFast,
    table: torch.Tensor,
) -> torch.Tensor:
    """Where a token's embedding begins ``[D]``."""
    number = tokenizer.get_vocab().get(token)
    if number is not None:
        return table[number]
    spelled: Any = tokenizer(learned.convert_tokens_to_string([token]), add_special_tokens=False)
    return table[spelled["input_ids"]].mean(0)
