"""How people say the scene's goals: phrasings to train on, and others held out for testing."""

import itertools
import re

import numpy as np

from agent.worlds.scene.memory_tasks_language import memory_words
from agent.worlds.scene.tasks import SceneGoal

# Clause phrasings by what is wanted; "{d}" stands for the thing. First list trains, second tests.
_CUBE = (
    [
        "put the cube in the drawer",
        "place the cube in the drawer",
        "put the block into the drawer",
        "put the red cube inside the drawer",
        "place the red block into the drawer",
        "store the cube in the drawer",
        "drop the cube into the drawer",
        "move the cube into the drawer",
        "take the cube and put it in the drawer",
        "pick up the block and place it in the drawer",
        "the cube belongs in the drawer",
        "i want the cube in the drawer",
        "get the block inside the drawer",
        "stow the cube in the drawer",
    ],
    [
        "store the red block inside the drawer",
        "pick up the red cube and drop it into the drawer",
        "move the block in the drawer",
        "take the red block and stow it inside the drawer",
    ],
)
_SLIDE: dict[tuple[str, bool | None], tuple[list[str], list[str]]] = {
    ("open", None): (
        ["open the {d}", "slide the {d} open", "make sure the {d} is open", "get the {d} open"],
        ["i want the {d} open", "leave the {d} open"],
    ),
    ("closed", None): (
        ["close the {d}", "shut the {d}", "slide the {d} shut", "make sure the {d} is closed"],
        ["get the {d} closed", "i want the {d} shut"],
    ),
    ("any", True): (
        ["lock the {d}", "make sure the {d} is locked", "press the {d} button to lock it"],
        ["i want the {d} locked", "get the {d} locked"],
    ),
    ("any", False): (
        ["unlock the {d}", "make sure the {d} is unlocked", "press the {d} button to unlock it"],
        ["i want the {d} unlocked", "get the {d} unlocked"],
    ),
    ("open", True): (
        ["open the {d} and lock it", "open the {d} then lock it", "leave the {d} open and locked"],
        ["slide the {d} open and lock it", "make sure the {d} is open and locked"],
    ),
    ("open", False): (
        [
            "unlock the {d} and open it",
            "unlock and open the {d}",
            "leave the {d} unlocked and open",
        ],
        ["unlock the {d} then slide it open", "get the {d} unlocked and open"],
    ),
    ("closed", True): (
        [
            "close and lock the {d}",
            "close the {d} and lock it",
            "shut the {d} and lock it",
            "shut the {d} then lock it",
            "lock the {d} after closing it",
        ],
        ["shut and lock the {d}", "slide the {d} shut then lock it"],
    ),
    ("closed", False): (
        [
            "close the {d} but leave it unlocked",
            "close the {d} and keep it unlocked",
            "shut the {d} and leave it unlocked",
            "slide the {d} shut but leave it unlocked",
        ],
        ["shut the {d} but keep it unlocked"],
    ),
}
_AFTER_CUBE: dict[tuple[str, bool | None], tuple[list[str], list[str]]] = {
    ("open", None): (
        ["leave the drawer open", "keep it open", "let it stay open"],
        ["keep the drawer open"],
    ),
    ("closed", None): (
        ["close it", "close the drawer", "shut it", "slide the drawer shut", "slide it closed"],
        ["slide it shut"],
    ),
    ("any", True): (
        ["lock it", "lock the drawer", "make sure the drawer is locked"],
        ["make sure it is locked"],
    ),
    ("any", False): (
        ["unlock it", "keep it unlocked", "leave the drawer unlocked"],
        ["leave it unlocked"],
    ),
    ("open", True): (
        ["lock it open", "lock it while it is open", "leave the drawer open and locked"],
        ["leave it open and locked"],
    ),
    ("open", False): (
        ["leave it open and unlocked", "keep the drawer open and unlocked"],
        ["keep it open and unlocked"],
    ),
    ("closed", True): (
        [
            "close and lock it",
            "close it and lock it",
            "shut the drawer and lock it",
            "close and lock the drawer",
            "lock it after closing it",
        ],
        ["shut and lock it", "close the drawer and lock it"],
    ),
    ("closed", False): (
        [
            "close it but leave it unlocked",
            "close it and keep it unlocked",
            "shut the drawer but leave it unlocked",
            "slide it closed but keep it unlocked",
        ],
        ["shut it but leave it unlocked"],
    ),
}
_JOINTS = ([", then ", " and ", ", and then ", ". then ", " and then "], [" then "])
_OPENERS = (["", "", "", "please ", "now ", "could you ", "robot, "], ["", "please ", "can you "])
# Words that carry no task: they may stand in any goal.
_POLITE = (
    "a an again also all and at away back be bit by can could do done down first for from gently "
    "go good have hello help hey hi i if in is it its kindly let me my need next now of ok on "
    "please quickly red robot safely slowly so sure thank thanks that the them there this to up "
    "us want we well when will with would you your"
)


# Of those, what people begin with.
_BEFORE = (
    "can could good gently hello help hey hi i kindly let me my now ok please quickly robot safely "
    "slowly so sure thank thanks us we well will would you"
)
_LONGEST_BEFORE = 3
_MANY = 600


def made_up_openers(seed: int) -> tuple[str, ...]:
    """Return many rows of words that carry no task, to stand before a goal in training.

    They make no sense: what is learnt is that none of these words is about the scene. Openers that
    are held out for testing are not among them.
    """
    words, random = _words(_BEFORE), np.random.default_rng(seed)
    lengths = random.integers(1, _LONGEST_BEFORE + 1, _MANY)
    rows = (" ".join(random.choice(words, length)) for length in lengths)
    known, kept = ({opener.strip() for opener in openers} for openers in _OPENERS)
    return tuple(row for row in rows if not any(opener in row for opener in kept - known))


def phrasings(goal: SceneGoal, *, held_out: bool) -> list[str]:
    """Return every way we know to say ``goal`` (training, or held out), without openers."""
    split = int(held_out)
    clauses = [*_drawer_clauses(goal, split), *_window_clauses(goal, split)]
    if len(clauses) == 1:
        return clauses[0]
    return [joint.join(parts) for parts in itertools.product(*clauses) for joint in _JOINTS[split]]


def sample_phrasing(goal: SceneGoal, random: np.random.Generator, *, held_out: bool) -> str:
    """Draw one way to say ``goal``."""
    choices = phrasings(goal, held_out=held_out)
    opener = str(random.choice(_OPENERS[int(held_out)]))
    text = choices[int(random.integers(len(choices)))]
    return text if text.startswith(("i want", "the cube")) else opener + text


def _drawer_clauses(goal: SceneGoal, split: int) -> list[list[str]]:
    key = (goal.drawer or "any", goal.drawer_locked)
    clauses = [_CUBE[split]] if goal.cube_in_drawer else []
    if key == ("any", None):
        return clauses
    table = _AFTER_CUBE if goal.cube_in_drawer else _SLIDE
    return [*clauses, [text.format(d="drawer") for text in table[key][split]]]


def _window_clauses(goal: SceneGoal, split: int) -> list[list[str]]:
    key = (goal.window or "any", goal.window_locked)
    if key == ("any", None):
        return []
    return [[text.format(d="window") for text in _SLIDE[key][split]]]


def known_words(*, with_memory: bool = False) -> frozenset[str]:
    """Return every word that a goal may contain; on request those of memory tasks too."""
    tables = [_CUBE, *_SLIDE.values(), *_AFTER_CUBE.values(), _JOINTS, _OPENERS]
    text = " ".join(phrase for table in tables for split in table for phrase in split)
    known = frozenset(_words(text.format(d="drawer window"))) | frozenset(_words(_POLITE))
    return known | memory_words() if with_memory else known


def unknown_words(text: str, *, with_memory: bool = False) -> list[str]:
    """Return the words of ``text`` that no goal of this world contains, in order."""
    known = known_words(with_memory=with_memory)
    return [word for word in dict.fromkeys(_words(text)) if word not in known]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())
