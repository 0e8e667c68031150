"""What the scene's robot can be asked for in tasks that want a memory, beside its nine skills.

A press is named with how the locks were before it, since one picture cannot tell that a button was
pressed; a step that is still to come has no such note yet.
"""

import itertools

from fast_brain.robots.scene_facts import SKILLS

PUT_IN_MIDDLE, PUT_BACK = "put the cube in the middle", "put the cube back"
PRESS_OTHER, PUT_ALL_BACK = "press the other button", "put drawer and window back"
PRESS_LIGHTS = ("press the first light", "press the second light", "press the third light")
# What only memory can tell how to do.
REMEMBERED = (PUT_BACK, PRESS_OTHER, PUT_ALL_BACK, *PRESS_LIGHTS)


def locks_in_words(*, drawer: bool, window: bool) -> str:
    """How the locks are, as a press is named with."""
    words = {False: "unlocked", True: "locked"}
    return f"drawer {words[drawer]}, window {words[window]}"


def _presses() -> tuple[str, ...]:
    locks = [
        f", {locks_in_words(drawer=drawer, window=window)}"
        for drawer, window in itertools.product((False, True), repeat=2)
    ]
    return tuple(name + note for name in (PRESS_OTHER, *PRESS_LIGHTS) for note in ("", *locks))


MEMORY_SKILLS = (*SKILLS, PUT_IN_MIDDLE, PUT_BACK, PUT_ALL_BACK, *_presses())
