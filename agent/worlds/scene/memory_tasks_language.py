"""How people say memory tasks: phrasings to train on, and others held out for testing."""

import re

import numpy as np

from agent.worlds.scene.memory_tasks import MemoryTask, Step
from agent.worlds.scene.memory_tasks_slides import SLIDES
from agent.worlds.scene.phrases import Phrases

# First list trains, second tests.
_MIDDLE: Phrases = (
    [
        "put the cube in the middle",
        "move the cube to the middle",
        "place the block in the middle",
        "set the cube in the middle",
        "bring the block to the middle",
        "take the cube to the middle",
        "the cube goes to the middle",
        "put the block down in the middle",
    ],
    ["bring the cube to the middle", "set the block down in the middle"],
)
_ANSWERS: dict[str, Phrases] = {
    "cube back": (
        [
            "put the cube back where it was at the start",
            "return the cube to where it was at the start",
            "put the block back where it was in the beginning",
            "put the cube back where you found it",
            "return the block to where it started",
            "bring the block back to where it was",
            "the cube goes back to its first place",
            "take the cube back to where it lay at first",
            "move the cube back to the place where it started",
            "the block goes back where it was at the start",
            "set the cube back down where it lay before",
        ],
        ["bring the cube back to where you found it", "the cube goes back where it started"],
    ),
    "as found": (
        [
            "return the drawer and the window to how they were at the start",
            "put the drawer and the window back how you found them",
            "leave the drawer and the window as they were in the beginning",
            "put both back as they were at the start",
            "bring drawer and window back to how they were before",
            "the drawer and the window go back to how they were",
            "make the drawer and the window as you found them",
            "return both to how you found them",
            "drawer and window are to end as they started",
            "set the drawer and the window back to how they started",
        ],
        [
            "bring the drawer and the window back to how you found them",
            "the drawer and the window go back to how they started",
        ],
    ),
    "in order": (
        [
            "press the buttons in the order in which they lit up",
            "push the buttons in the order they lit up",
            "press the buttons as they lit up, one after the other",
            "push the buttons in the same order as the lights",
            "repeat the order of the lights with the buttons",
            "the lights came in an order, press the buttons in it",
            "press what lit up, in the order of the lights",
            "follow the lights, press the buttons in their order",
            "copy the lights, button after button",
            "the buttons lit up one after the other, push them in that order",
            "do as the lights did, press in the same order",
            "remember the lights and press the buttons in that order",
            "repeat with the buttons what the lights showed",
            "whichever button lit up is to be pressed, one after the other as they did",
            "what the lights showed is to be pressed, light after light",
            "in the order of the lights is how to press",
            "each light tells which button to press, first to last",
            "as it lit up so it is to be pressed, in that order",
        ],
        [
            "repeat the lights on the buttons in the same order",
            "follow the order of the lights",
            "the buttons lit up in an order, press them in that order",
            "what lit up is what to press, in the same order",
        ],
    ),
    "the other one": (
        [
            "press the button that did not light up",
            "one button lit up at the start, press the other one",
            "push the other button, not the one that lit up",
            "press the button that stayed dark",
            "the dark button is to be pressed",
            "push the button that was not lit",
            "one button was lit, push the one that was not",
            "press the one that never lit up",
            "not the button that lit up, the other one is to be pressed",
            "the button that did not light up is the one to push",
            "of the two buttons push the one that stayed dark",
        ],
        ["the button that stayed dark is the one to press", "press the one that was never lit"],
    ),
}
_CYCLES: Phrases = (
    [
        "open and close the {d} {n}",
        "open the {d} and close it again, {n}",
        "{n}, open and shut the {d}",
        "open and then close the {d} {n}",
        "open the {d} and shut it {n}",
        "do this {n}, open and close the {d}",
        "slide the {d} open and shut {n}",
        "let the {d} open and close {n}",
        "the {d} is to go open and closed {n}",
        "have the {d} open and shut {n}",
        "the {d} wants opening and closing {n}",
        "open the {d}, close the {d}, all that {n}",
        "{n}, be sure to open the {d} and to close it",
    ],
    ["let the {d} go open and shut {n}", "{n} in all, open the {d} and close it"],
)
_PRESSES: Phrases = (
    [
        "press the {d} button {n}",
        "push the {d} button {n}",
        "{n}, press the {d} button",
        "the {d} button is to be pressed {n}",
        "press the button of the {d} {n}",
        "do this {n}, press the {d} button",
        "give the {d} button a push {n}",
        "the button of the {d} wants a push {n}",
        "pressing the {d} button {n} is the task",
        "{n} in all, push the {d} button",
        "go on with the {d} button until it was pressed {n}",
    ],
    ["give the {d} button {n} a press", "the {d} button wants pressing {n}"],
)
# A number is a word, not a way to say something: what is held out is the sentence around it.
_NUMBER_WORDS: dict[int, list[str]] = {
    2: ["twice", "two times", "2 times", "exactly 2 times"],
    3: ["three times", "3 times", "exactly three times", "exactly 3 times"],
    4: ["four times", "4 times", "exactly four times", "exactly 4 times"],
}
_BEFORE: Phrases = (
    [
        "",
        "",
        "",
        "first ",
        "to begin with ",
        "start with this: ",
        "begin like this: ",
        "the task is this: ",
        "do as follows: ",
    ],
    ["", "start like this: "],
)
_THEN: Phrases = (
    [
        ", then ",
        " and then ",
        ". then ",
        ", next ",
        ", after this ",
        ". next ",
        ", and after this ",
        ", when that is over ",
        ", as the next thing ",
        ", once that is over ",
        ", following that ",
        ". after this ",
        ", and next ",
    ],
    [", after that "],
)
_LAST: Phrases = (
    [
        ", and finally ",
        ", then ",
        ". at the end ",
        ". after all that ",
        ". when all is done ",
        ". as the last thing ",
        ", and at the end ",
        ". last of all ",
        ". once that is over ",
        ". when this is over ",
        ", in the end ",
        ". with that over ",
    ],
    [". when that is done "],
)


def sample_memory_phrasing(task: MemoryTask, random: np.random.Generator, *, held_out: bool) -> str:
    """Draw one way to say a task; it depends on the words of the task alone, not on its past."""
    split = int(held_out)
    if task.answer == "n times":
        return _count_words(task, random, split)
    answer = _pick(_ANSWERS[task.answer], random, split)
    if not task.stated:
        return answer
    said = [_state(step, random, split) for step in task.stated]
    joined = said[0]
    for words in said[1:]:
        joined += _pick(_THEN, random, split) + words
    return _pick(_BEFORE, random, split) + joined + _pick(_LAST, random, split) + answer


def memory_words() -> frozenset[str]:
    """Every word that a memory task may contain, for planners that refuse unknown words."""
    phrases = [_MIDDLE, _CYCLES, _PRESSES, _BEFORE, _THEN, _LAST]
    tables = [*phrases, *SLIDES.values(), *_ANSWERS.values()]
    said = [phrase for table in tables for split in table for phrase in split]
    text = " ".join(said + [word for words in _NUMBER_WORDS.values() for word in words])
    return frozenset(re.findall(r"[a-z0-9]+", text.format(d="drawer window", n="")))


def _count_words(task: MemoryTask, random: np.random.Generator, split: int) -> str:
    first = task.stated[0]
    table = _PRESSES if first.press else _CYCLES
    thing = first.press or next(iter(first.facts))
    words = _NUMBER_WORDS[task.times]
    number = words[int(random.integers(len(words)))]
    return _pick(table, random, split).format(d=thing, n=number)


def _state(step: Step, random: np.random.Generator, split: int) -> str:
    """Say what a step wants; several facts at once are joined."""
    said: list[str] = []
    for name, value in step.facts.items():
        if name == "cube_spot":
            said.append(_pick(_MIDDLE, random, split))
        else:
            said.append(_pick(SLIDES[str(value)], random, split).format(d=name))
    return " and ".join(said)


def _pick(phrases: Phrases, random: np.random.Generator, split: int) -> str:
    choices = phrases[split]
    return choices[int(random.integers(len(choices)))]
