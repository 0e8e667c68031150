"""What a picture shows: in the planner's words, and as the numbers that are read on the way."""

import numpy as np

from agent.worlds.scene.memory_tasks import BUTTONS, SPOTS
from fast_brain.robots.scene_facts import SKILLS, SceneFacts
from fast_brain.robots.scene_memory_skills import PUT_IN_MIDDLE, REMEMBERED

# The class of a fact that is not known: no loss is taken of it.
UNKNOWN = -100
_PLACES = ("open", "closed", "half open")
_STEPS = (*SKILLS, PUT_IN_MIDDLE, *REMEMBERED)


def visible_objects(facts: SceneFacts) -> str:
    """Return the scene in the planner's words."""
    cube = "on table"
    if facts.cube_held:
        cube = "in gripper"
    elif facts.cube_in_drawer:
        cube = "hidden" if facts.drawer == "closed" else "in drawer"
    drawer, window = lock_word(facts.drawer_locked), lock_word(facts.window_locked)
    return f"drawer {facts.drawer} {drawer}, window {facts.window} {window}, cube {cube}"


def lock_word(locked: bool) -> str:  # noqa: FBT001  # One flag.
    """Say whether something is locked."""
    return "locked" if locked else "unlocked"


def facts_vector(
    facts: SceneFacts,
    subtask: str | None,
    *,
    is_done: bool,
    spot: str | None = None,
    lit: str | None = None,
) -> np.ndarray:
    """Return the scene as class numbers (int64 [10]), UNKNOWN for what nobody knows.

    Drawer, window, four truths, the spot where the cube lies, the button that is lit; then what
    depends on the question: whether the subtask is done, and which is the next.
    """
    return np.array(
        [
            _PLACES.index(facts.drawer),
            _PLACES.index(facts.window),
            facts.drawer_locked,
            facts.window_locked,
            facts.cube_in_drawer,
            facts.cube_held,
            UNKNOWN if spot is None else ("", *SPOTS).index(spot),
            UNKNOWN if lit is None else ("", *BUTTONS).index(lit),
            is_done,
            len(_STEPS) if subtask is None else _STEPS.index(subtask.partition(",")[0]),
        ],
        np.int64,
    )
