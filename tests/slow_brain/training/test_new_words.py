"""New words become tokens, and what the model knew stays known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slow_brain.checkpoint import make_model, train_tokenizer
from slow_brain.training.new_words import learn_new_words

OLD = ["open the drawer", "close the drawer", "open the window"] * 20
NEW = [*OLD, *["press the first light, open the drawer"] * 60]
NEW_WORD = "Ġlight"
PHRASES = ("open the drawer", "lock the drawer", "unlock the drawer")
WITH_PHRASES = train_tokenizer(OLD, PHRASES)


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


def test_a_phrase_is_one_token_wherever_it_follows_a_space() -> None:
    """A step's name is copied at once; at the start of a text, or within a word, it is spelled."""
    for phrase in PHRASES:
        number = WITH_PHRASES.get_vocab()[f" {phrase}"]
        for text in (f"next 4 {phrase}", f"PLAN: {phrase}; {phrase}\n", f"goal: {phrase}, then"):
            assert WITH_PHRASES(text)["input_ids"].count(number) == text.count(f" {phrase}")  # pyright: ignore[reportAttributeAccessIssue]
        assert number not in WITH_PHRASES(phrase)["input_ids"]


@given(parts=st.lists(st.sampled_from([*PHRASES, "open", "the", ",", "4", " ", "\n", "ä"])))
def test_what_is_written_in_phrases_reads_as_it_was(parts: list[str]) -> None:
    """Whatever stands beside a phrase, tokens and back give the same text."""
    text = " ".join(parts)
    ids = WITH_PHRASES(text, add_special_tokens=False)["input_ids"]
    assert WITH_PHRASES.decode(ids) == text


def test_a_phrase_begins_as_what_spelled_it() -> None:
    """A trained planner that gets phrases starts from the middle of their words' embeddings."""
    torch.manual_seed(0)
    before = train_tokenizer(OLD)
    model = make_model(before)
    table = model.get_input_embeddings().weight.detach().clone()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    after = learn_new_words(model, before, OLD, PHRASES).tokenizer
    changed = model.get_input_embeddings().weight.detach()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    pieces = before(" open the drawer", add_special_tokens=False)["input_ids"]
    assert torch.allclose(changed[after.get_vocab()[" open the drawer"]], table[pieces].mean(0))  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType, reportCallIssue]
