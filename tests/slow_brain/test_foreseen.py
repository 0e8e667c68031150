"""What an answer will go on with is looked up in the last one."""

from hypothesis import given
from hypothesis import strategies as st

from slow_brain.foreseen import ForeseenTokens

answers = st.lists(st.integers(min_value=0, max_value=5), min_size=2, max_size=60)


def foreseen(last: list[int], written: list[int]) -> list[int]:
    """What is foreseen after a last answer."""
    tokens = ForeseenTokens()
    tokens.keep(last)
    return tokens.after(written)


@given(answers, st.data())
def test_the_same_answer_goes_on_as_before(last: list[int], data: st.DataObject) -> None:
    """As long as an answer is the last one again, what followed there is foreseen."""
    count = data.draw(st.integers(min_value=1, max_value=len(last)))
    told = foreseen(last, last[:count])
    assert told == last[count : count + len(told)]
    assert told or count == len(last)


def test_after_other_words_the_place_is_found_again() -> None:
    """Where one word was exchanged, or some came in between, the rest is foreseen all the same."""
    last = [1, 2, 3, 4, 5, 6, 7]
    assert foreseen(last, [1, 2, 9, 4, 5]) == [6, 7]
    assert foreseen(last, [1, 8, 8, 8, 2, 3]) == [4, 5, 6, 7]


def test_of_two_like_places_the_better_and_the_nearer_is_taken() -> None:
    """More words in a row decide; between equals it is how far from the beginning they are."""
    last = [7, 1, 2, 3, 8, 1, 2, 4]
    assert foreseen(last, [8, 1, 2]) == [4]
    assert foreseen(last, [5, 1, 2]) == [3, 8, 1, 2, 4]
    assert foreseen(last, [5, 5, 5, 5, 5, 1, 2]) == [4]


@given(answers, answers)
def test_where_nothing_is_alike_nothing_is_foreseen(last: list[int], written: list[int]) -> None:
    """Words that the last answer does not have in a row lead nowhere."""
    assert foreseen([word + 10 for word in last], written) == []
    assert foreseen([], written) == []
    assert foreseen(last, []) == []
