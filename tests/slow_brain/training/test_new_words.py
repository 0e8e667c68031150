"""New words become tokens, and what the model knew stays known."""

import pytest
import torch

from slow_brain.checkpoint import make_model, train_tokenizer
from slow_brain.training.new_words import learn_new_words

OLD = ["open the drawer", "close the drawer", "open the window"] * 20
NEW = [*OLD, *["press the first light, open the drawer"] * 60]
NEW_WORD = "Ġlight"


@pytest.fixture
def taught() -> tuple[torch.Tensor, object, object, torch.Tensor]:
    """Embeddings and tokenizer before and after."""
    torch.manual_seed(0)
    before = train_tokenizer(OLD)
    model = make_model(before)
    table = model.get_input_embeddings().weight.detach().clone()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    after = learn_new_words(model, before, NEW).tokenizer
    return table, before, after, model.get_input_embeddings().weight.detach()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue, reportReturnType]


def test_what_was_a_token_keeps_its_meaning(taught: tuple) -> None:
    """Every token of both, marks among them, has the embedding that it had."""
    table, before, after, changed = taught
    kept = before.get_vocab().keys() & after.get_vocab().keys()
    assert {"<act>", "<image>", "Ġdrawer"} <= kept
    for token in kept:
        new, old = after.get_vocab()[token], before.get_vocab()[token]
        assert torch.equal(changed[new], table[old])
    for mark in ("<pad>", "<image>", "<act>"):
        assert after.get_vocab()[mark] == before.get_vocab()[mark]


def test_a_new_word_begins_as_what_spelled_it(taught: tuple) -> None:
    """One token where there were several, in the middle of their embeddings."""
    table, before, after, changed = taught
    pieces = before(" light", add_special_tokens=False)["input_ids"]
    assert len(pieces) > 1
    number = after.get_vocab()[NEW_WORD]
    assert torch.allclose(changed[number], table[pieces].mean(0))
    text = "press the first light"
    assert len(after(text)["input_ids"]) < len(before(text)["input_ids"])
    assert after.decode(after(text)["input_ids"]) == text


def test_the_same_texts_give_the_same_tokens() -> None:
    """Training that is resumed finds the tokens that its checkpoint was made with."""
    assert train_tokenizer(NEW).get_vocab() == train_tokenizer(iter(NEW)).get_vocab()
