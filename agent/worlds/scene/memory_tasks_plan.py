"""What the planner says while a memory task is done: from the words, the present, and its notes.

It never looks at the past. Where only the past tells what to do it says so ("put the cube back"),
and the policy's memory of earlier latents has to know. What it notes itself is what it has finished
and, in the name of a press, how the locks were before: one picture cannot tell that a button was
pressed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from agent.worlds.scene.memory_tasks import BUTTONS, START_SPOTS, MemoryTask, Past, Step
from agent.worlds.scene.memory_tasks_history import MemoryFacts
from agent.worlds.scene.memory_tasks_oracle import CLOSE, OPEN, PRESS, PUT_CUBE
from fast_brain.robots.scene_facts import SKILLS
from fast_brain.robots.scene_memory_skills import (
    PRESS_LIGHTS,
    PRESS_OTHER,
    PUT_ALL_BACK,
    PUT_BACK,
    PUT_IN_MIDDLE,
    REMEMBERED,
    locks_in_words,
)
from fast_brain.robots.scene_physics import HOME_POSITION_M

# What a step can be called, without notes.
STEP_NAMES = (*SKILLS, PUT_IN_MIDDLE, *REMEMBERED, *(PRESS.format(button) for button in BUTTONS))
# A step is over when its effect holds and the arm is back within this of the waiting pose [m].
_RETREATED_WITHIN_M = 0.12


class Notes(NamedTuple):
    """What the planner is told beside the picture: what is finished in order, what is under way."""

    finished: Sequence[str] = ()
    current: str | None = None


def said_steps(task: MemoryTask) -> tuple[str, ...]:
    """The goal as steps in the planner's words, those that may be superfluous among them."""
    stated = tuple(words for step in task.stated for words in _said(step))
    if task.answer == "n times":
        return stated * task.times
    if task.answer == "cube back":
        return (*stated, PUT_BACK)
    if task.answer == "as found":
        return (*stated, PUT_ALL_BACK)
    return (*stated, *(PRESS_LIGHTS if task.answer == "in order" else (PRESS_OTHER,)))


def next_step(task: MemoryTask, facts: MemoryFacts, finished: Sequence[str]) -> str | None:
    """The first step that is left, as it is called from now on; None when all are finished."""
    left = _left(task, facts, finished)
    return _named(left[0], facts) if left else None


def steps_left(task: MemoryTask, facts: MemoryFacts, notes: Notes) -> tuple[str, ...]:
    """What is left, beginning with what to do now: what is under way until it is over."""
    left = _left(task, facts, notes.finished)
    if notes.current == PUT_ALL_BACK:
        return (PUT_ALL_BACK,)
    if notes.current is None and not left:
        return ()
    first = _named(left[0], facts) if notes.current is None else notes.current
    later = left[1:]
    if notes.current is not None and task.answer == "as found":
        later = tuple(step for step in left if step != notes.current)
    return (first, *_foreseen(later, _after(first, facts)))


def is_step_done(step: str, facts: MemoryFacts, gripper_position_m: np.ndarray) -> bool:
    """Whether a picture of now shows that a step is over, its arm gone back to wait.

    Putting drawer and window back is never seen to be over: that takes knowing how they were.
    """
    return is_arm_waiting(gripper_position_m) and _shows(step, facts)


def is_arm_waiting(gripper_position_m: np.ndarray) -> bool:
    """Whether the arm has gone back to its waiting pose, or has not left it."""
    away_m = float(np.linalg.norm(gripper_position_m - HOME_POSITION_M))
    return away_m < _RETREATED_WITHIN_M


def skill_for_step(step: str, past: Past, facts: MemoryFacts) -> str | None:
    """What somebody who remembers the past does for a step now; None when nothing is left to do."""
    if step == PUT_IN_MIDDLE:
        return PUT_CUBE.format("middle")
    if step == PUT_BACK:
        return PUT_CUBE.format(past.cube_spot)
    if step == PUT_ALL_BACK:
        wanted = {"drawer": past.drawer, "window": past.window}
        return next((_slide(t, p) for t, p in wanted.items() if getattr(facts, t) != p), None)
    name = step.partition(",")[0]
    if name == PRESS_OTHER:
        return PRESS.format(next(button for button in BUTTONS if button not in past.lights))
    if name in PRESS_LIGHTS:
        return PRESS.format(past.lights[PRESS_LIGHTS.index(name)])
    return step


def _said(step: Step) -> tuple[str, ...]:
    if step.press:
        return (PRESS.format(step.press),)
    return tuple(
        PUT_IN_MIDDLE if name == "cube_spot" else _slide(name, str(value))
        for name, value in step.facts.items()
    )


def _slide(thing: str, place: str) -> str:
    return (OPEN if place == "open" else CLOSE).format(thing)


def _left(task: MemoryTask, facts: MemoryFacts, finished: Sequence[str]) -> tuple[str, ...]:
    steps = said_steps(task)
    if task.answer != "as found":
        return steps[len(finished) :]
    # Its stated steps are facts at once: those that hold already are left out.
    return tuple(s for s in steps if s not in finished and not _shows(s, facts))


def _named(step: str, facts: MemoryFacts) -> str:
    """The step with what has to be noted; a press of a named button by what it will do."""
    for button in BUTTONS:
        if step == PRESS.format(button):
            return f"{'unlock' if getattr(facts, f'{button}_locked') else 'lock'} the {button}"
    return f"{step}, {_locks(facts)}" if step in (PRESS_OTHER, *PRESS_LIGHTS) else step


def _foreseen(steps: Sequence[str], facts: MemoryFacts) -> Iterator[str]:
    """Steps still to come: presses of a named button by what each will do, the others unnoted."""
    for step in steps:
        is_press = any(step == PRESS.format(button) for button in BUTTONS)
        named = _named(step, facts) if is_press else step
        yield named
        facts = _after(named, facts)


def _after(step: str, facts: MemoryFacts) -> MemoryFacts:
    """The facts once a lock has been pressed; other steps leave the locks as they are."""
    verb, _, thing = step.partition(" the ")
    if verb not in ("lock", "unlock"):
        return facts
    return replace(facts, **{f"{thing}_locked": verb == "lock"})


def _locks(facts: MemoryFacts) -> str:
    return locks_in_words(drawer=facts.drawer_locked, window=facts.window_locked)


def _shows(step: str, facts: MemoryFacts) -> bool:
    """Whether the effect of a step holds in this moment."""
    if step == PUT_IN_MIDDLE:
        return facts.cube_spot == "middle"
    if step == PUT_BACK:
        return facts.cube_spot in START_SPOTS
    name, comma, locks_before = step.partition(", ")
    if comma and name in REMEMBERED:
        return locks_before != _locks(facts)
    for thing in BUTTONS:
        if step in (OPEN.format(thing), CLOSE.format(thing)):
            return getattr(facts, thing) == ("open" if step == OPEN.format(thing) else "closed")
        if step in (f"lock the {thing}", f"unlock the {thing}"):
            return getattr(facts, f"{thing}_locked") == step.startswith("lock")
    return False
