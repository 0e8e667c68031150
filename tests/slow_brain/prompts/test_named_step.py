"""A step that is named by its number is named as the task has it."""

from hypothesis import given
from hypothesis import strategies as st

from slow_brain.prompts.named_step import mend_named_step

STEPS = ("close the window", "open the drawer", "close the drawer", "press the first light")
TASK = "TASK: " + ", ".join(f"{number} {step}" for number, step in enumerate(STEPS, start=1))
BEFORE = f"{TASK}\nVISIBLE OBJECTS: drawer open, window closed\nSUBTASK REASONING: "

numbers = st.integers(min_value=1, max_value=len(STEPS))


def test_another_steps_words_become_those_of_the_number() -> None:
    """The first word that is not the numbered step's is replaced by all that the step still has."""
    said = f"{BEFORE}so 2 of 4 done, next 3 close the window"
    assert mend_named_step(said) == f"{BEFORE}so 2 of 4 done, next 3 close the drawer"
    assert mend_named_step(f"{BEFORE}next 3 open") == f"{BEFORE}next 3 close the drawer"


@given(numbers, st.data())
def test_words_of_the_right_step_are_left_as_they_are(number: int, data: st.DataObject) -> None:
    """However far the right step is written, and whatever follows it, nothing is changed."""
    step = STEPS[number - 1]
    length = data.draw(st.integers(min_value=0, max_value=len(step)))
    more = data.draw(st.sampled_from(["", ", drawer open", "\n", "\nDONE: no"]))
    for said in (step[:length], step + more):
        text = f"{BEFORE}next {number} {said}"
        assert mend_named_step(text) == text


@given(numbers, st.text(min_size=1, max_size=40))
def test_what_is_mended_is_right_and_stays(number: int, words: str) -> None:
    """Mended once, an answer needs no mending, and what stood before the step has not changed."""
    mended = mend_named_step(f"{BEFORE}next {number} {words}")
    assert mended.startswith(f"{BEFORE}next {number} ")
    assert mend_named_step(mended) == mended


@given(st.text(max_size=200))
def test_other_texts_are_left_alone(text: str) -> None:
    """A text that names no numbered step of its task is returned as it is."""
    assert mend_named_step(text) == text
    for said in ("next 9 open the drawer", "next nothing", "next 1"):
        assert mend_named_step(BEFORE + said) == BEFORE + said
    for said in ("next 1", "next 1 open the drawer"):
        plain = f"TASK: the cube is in the drawer\n{said}"
        assert mend_named_step(plain) == plain
