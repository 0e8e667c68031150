"""Exercises about memory tasks: what a planner writes that sees the present, and reads its notes.

What is asked is made up: any task, any way to have come this far. The answer follows from the
words, the notes and the picture, so that it is the same whatever the past was.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from agent.demos.planner_facts import facts_vector, lock_word, visible_objects
from agent.worlds.scene.memory_tasks import BUTTONS, MemoryKind, MemoryTask, sample_memory_task
from agent.worlds.scene.memory_tasks_history import MemoryFacts
from agent.worlds.scene.memory_tasks_language import sample_memory_phrasing
from agent.worlds.scene.memory_tasks_plan import (
    Notes,
    is_arm_waiting,
    is_step_done,
    next_step,
    said_steps,
    steps_left,
)
from fast_brain.robots.scene_facts import SceneFacts
from fast_brain.robots.scene_memory_skills import PRESS_LIGHTS, PRESS_OTHER, PUT_BACK, PUT_IN_MIDDLE
from slow_brain.chain_of_thought import ParsedThought
from slow_brain.prompt import MEMORY_PROMPT, answer_fields, planner_prompt

# A plan names so many steps at most: the rest are in the task, and a plan is made anew soon.
_STEPS_NAMED = 2
# How often tasks of each kind are made up: long rows are where a planner loses its place.
_MADE_UP: Mapping[MemoryKind, int] = {
    "put-back": 1,
    "count": 2,
    "order": 1,
    "restore": 1,
    "other": 1,
    "gap": 4,
}
_MADE_UP_KINDS: tuple[MemoryKind, ...] = tuple(
    kind for kind, times in _MADE_UP.items() for _ in range(times)
)
# Of made-up stories: how often nothing is under way yet; the locks are as the note of a press says.
_NOTHING_YET_SHARE, _NOT_YET_PRESSED_SHARE = 0.25, 0.5


class Present(NamedTuple):
    """What one row shows: the scene, and of it what memory tasks care about."""

    scene: SceneFacts
    memory: MemoryFacts
    gripper_position_m: np.ndarray

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Present":
        """From a row that knows where the cube lies and what is lit."""
        facts = json.loads(row["facts"])
        scene = scene_facts(facts)
        names = ("drawer", "drawer_locked", "window", "window_locked", "cube_spot", "lit")
        memory = MemoryFacts(**{name: facts[name] for name in names})
        return cls(scene, memory, np.array(row["observation.state"][:3]))


def scene_facts(facts: Mapping[str, Any]) -> SceneFacts:
    """The scene's facts among those of a row, which may tell more."""
    return SceneFacts(**{name: facts[name] for name in SceneFacts.__dataclass_fields__})


def task_of(info: Mapping[str, Any]) -> MemoryTask | None:
    """The memory task that an episode is of; None if it is of another kind."""
    told = info.get("memory_task")
    return None if told is None else msgspec.convert(told, MemoryTask)


def memory_thought(task: MemoryTask, present: Present, notes: Notes) -> tuple[str, str | None]:
    """The chain of thought of who sees the present alone, and the step it decides."""
    current = notes.current
    is_done = current is not None and is_step_done(
        current, present.memory, present.gripper_position_m
    )
    reason = f"{_seen_of(current, present)}, {_so_far(task, notes, is_done=is_done)}"
    if is_done:
        notes = Notes((*notes.finished, cast("str", current)))
    left = steps_left(task, present.memory, notes)
    text = ParsedThought(
        task=", ".join(f"{number} {step}" for number, step in enumerate(said_steps(task), start=1)),
        plan=left[:_STEPS_NAMED],
        visible_objects=_visible(present),
        subtask_reasoning=reason,
        is_current_done=is_done,
        subtask=left[0] if left else None,
    ).text(answer_fields(MEMORY_PROMPT))
    return text, left[0] if left else None


def memory_question(task: MemoryTask, present: Present, notes: Notes, words: str) -> dict[str, Any]:
    """One exercise: prompt, answer, and the facts that are read on the way."""
    answer, step = memory_thought(task, present, notes)
    is_done = "\nDONE: yes" in answer
    return {
        "prompt": planner_prompt(words, notes.finished, notes.current, MEMORY_PROMPT),
        "answer": answer,
        "facts": facts_vector(
            present.scene,
            step,
            is_done=is_done,
            spot=present.memory.cube_spot,
            lit=present.memory.lit,
        ).tolist(),
    }


def own_question(
    row: Mapping[str, Any], task: MemoryTask, random: np.random.Generator, *, held_out: bool
) -> dict[str, Any]:
    """What a run would ask in this row of a demonstration."""
    is_first = row["frame_index"] == 0
    notes = Notes(tuple(row["finished"]), None if is_first else row["subtask"])
    words = sample_memory_phrasing(task, random, held_out=held_out)
    return memory_question(task, Present.of(row), notes, words)


def made_up_questions(
    row: Mapping[str, Any], count: int, random: np.random.Generator, *, held_out: bool
) -> Iterator[dict[str, Any]]:
    """Yield questions about tasks that were never done there, from any point of their course."""
    present = Present.of(row)
    for _ in range(count):
        kind = _MADE_UP_KINDS[int(random.integers(len(_MADE_UP_KINDS)))]
        task = sample_memory_task(kind, random)
        words = sample_memory_phrasing(task, random, held_out=held_out)
        yield memory_question(task, present, _made_up_notes(task, present, random), words)


def _made_up_notes(task: MemoryTask, present: Present, random: np.random.Generator) -> Notes:
    steps = said_steps(task)
    done = steps[: int(random.integers(len(steps) + 1))]
    finished = tuple(_as_noted(step, random) for step in done)
    following = next_step(task, present.memory, finished)
    if following is None or random.random() < _NOTHING_YET_SHARE:
        return Notes(finished)
    name = following.partition(",")[0]
    if name in (PRESS_OTHER, *PRESS_LIGHTS) and random.random() > _NOT_YET_PRESSED_SHARE:
        return Notes(finished, _as_noted(name, random))
    if following.partition(" ")[0] in ("lock", "unlock"):
        # Half of the time the press has happened: then the note names what is so now.
        thing = following.rpartition(" ")[2]
        return Notes(finished, f"{random.choice(['lock', 'unlock'])} the {thing}")
    return Notes(finished, following)


def _as_noted(step: str, random: np.random.Generator) -> str:
    """A step as a run would have called it, with locks as they may have been."""
    if step in (PRESS_OTHER, *PRESS_LIGHTS):
        locks = (f"{button} {random.choice(['locked', 'unlocked'])}" for button in BUTTONS)
        return f"{step}, {', '.join(locks)}"
    for button in BUTTONS:
        if step == f"press the {button} button":
            return f"{random.choice(['lock', 'unlock'])} the {button}"
    return step


def _visible(present: Present) -> str:
    seen = visible_objects(present.scene)
    if present.memory.cube_spot:
        seen = seen.removesuffix("on table") + present.memory.cube_spot
    seen += f", {present.memory.lit} lit" if present.memory.lit else ""
    return f"{seen}, {_arm(present)}"


def _arm(present: Present) -> str:
    return "arm waiting" if is_arm_waiting(present.gripper_position_m) else "arm away"


def _seen_of(current: str | None, present: Present) -> str:
    """What the picture says about the step under way, side by side with what was noted of it."""
    facts = present.memory
    if current is None:
        return "nothing under way"
    name, comma, noted = current.partition(", ")
    if comma and name in (PRESS_OTHER, *PRESS_LIGHTS):
        drawer, window = (lock_word(getattr(facts, f"{button}_locked")) for button in BUTTONS)
        return f"noted {noted}, now drawer {drawer}, window {window}, {_arm(present)}"
    thing = current.rpartition(" ")[2]
    if thing in BUTTONS:
        lock = lock_word(getattr(facts, f"{thing}_locked"))
        return f"the {thing} is {getattr(facts, thing)} and {lock}, {_arm(present)}"
    if current in (PUT_IN_MIDDLE, PUT_BACK):
        return f"the cube is {facts.cube_spot or 'out of sight'}, {_arm(present)}"
    return f"the drawer is {facts.drawer} and the window is {facts.window}"


def _so_far(task: MemoryTask, notes: Notes, *, is_done: bool) -> str:
    """How many steps are done by now, and the next by its number, where they are done in order.

    The number leads to the step's words in the task, from where they can be copied.
    """
    if task.answer == "as found":
        return "those left follow from what is seen"
    steps, done = said_steps(task), len(notes.finished) + is_done
    coming = f"{done + 1} {steps[done]}" if done < len(steps) else "nothing"
    return f"so {done} of {len(steps)} done, next {coming}"
