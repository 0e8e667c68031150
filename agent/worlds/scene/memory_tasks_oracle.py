"""A scene made of facts alone, and an oracle that does memory tasks in it, with and without memory.

What the oracle cannot do without memory no agent can that looks at the present: it is told more
than any such agent would know, namely how far it has come, and it guesses as well as can be.
"""

from dataclasses import replace

import numpy as np

from agent.worlds.scene.memory_tasks import BUTTONS, MemoryTask, Past, Step, turns_of
from agent.worlds.scene.memory_tasks_history import History, MemoryFacts

PRESS = "press the {} button"
PUT_CUBE = "put the cube on the {}"
OPEN, CLOSE = "open the {}", "close the {}"


class SymbolicScene:
    """The scene as facts: every skill works, at once, and the lights come on one by one."""

    def __init__(self, task: MemoryTask) -> None:
        start = task.start
        self._lights = list(task.past.lights)
        self.facts = MemoryFacts(
            drawer="open" if start["drawer_m"] else "closed",
            drawer_locked=bool(start["drawer_locked"]),
            window="open" if start["window_m"] else "closed",
            window_locked=bool(start["window_locked"]),
            cube_spot=task.past.cube_spot,
        )

    def wait(self) -> bool:
        """Let the next light come on or go out; False when all have been shown."""
        if self.facts.lit:
            self.facts = replace(self.facts, lit="")
            return True
        if not self._lights:
            return False
        self.facts = replace(self.facts, lit=self._lights.pop(0))
        return True

    def do(self, skill: str) -> None:
        """Change the facts as the skill does; what is locked does not slide."""
        facts = self.facts
        for thing in BUTTONS:
            lock = f"{thing}_locked"
            if skill == PRESS.format(thing):
                self.facts = replace(facts, **{lock: not getattr(facts, lock)})
            elif skill in (OPEN.format(thing), CLOSE.format(thing)) and not getattr(facts, lock):
                word = "open" if skill == OPEN.format(thing) else "closed"
                self.facts = replace(facts, **{thing: word})
        if skill.startswith(PUT_CUBE.format("")):
            self.facts = replace(facts, cube_spot=skill.removeprefix(PUT_CUBE.format("")))


class MemoryOracle:
    """Chooses the next skill from what it has seen; without memory, from a guess.

    Args:
        task: Its words count; what has happened is learnt by looking, or guessed.
        remembers: Whether it keeps what it has seen.
        random: For guessing.
    """

    def __init__(self, task: MemoryTask, *, remembers: bool, random: np.random.Generator) -> None:
        self._task = task
        self._remembers = remembers
        self._random = random
        self._first: MemoryFacts | None = None
        self._lights: list[str] = []
        self._before = ""
        self._guess = task.pasts[int(random.integers(len(task.pasts)))]
        self._progress: History | None = None

    def look(self, facts: MemoryFacts) -> None:
        """See the facts of a moment, before it acts and after each skill."""
        self._first = self._first or facts
        if facts.lit and facts.lit != self._before:
            self._lights.append(facts.lit)
        self._before = facts.lit
        if not facts.lit:
            self._follow(facts)

    def next_skill(self, facts: MemoryFacts) -> str | None:
        """What to do now; None when it holds the task for done."""
        steps = self._task.steps(self._believed())
        if self._task.answer == "n times" and not self._remembers:
            return self._gamble(facts, steps)
        done = 0 if self._progress is None else self._progress.done
        for step in steps[done:]:
            if (skill := skill_for(step, facts)) is not None:
                return skill
        return None

    def _believed(self) -> Past:
        if not self._remembers or self._first is None:
            return self._guess
        first = self._first
        return Past(
            drawer=first.drawer,
            window=first.window,
            cube_spot=first.cube_spot,
            lights=tuple(self._lights),
        )

    def _follow(self, facts: MemoryFacts) -> None:
        """Keep count of the steps that it believes in, from the moment the lights are over."""
        if len(self._lights) < len(self._task.past.lights):
            return
        if self._progress is None:
            self._progress = History(replace(self._task, past=self._believed()))
        self._progress.look(facts)

    def _gamble(self, facts: MemoryFacts, steps: tuple[Step, ...]) -> str | None:
        """Go on or stop without knowing how often it was done: with the best odds there are."""
        first = steps[0]
        if not first.press:
            if facts.holds(first):
                return skill_for(steps[1], facts)
            return skill_for(first, facts) if self._dares() else None
        is_last_state = self._ends_here(facts, first.press)
        return PRESS.format(first.press) if not is_last_state or self._dares() else None

    def _ends_here(self, facts: MemoryFacts, button: str) -> bool:
        """Whether the button is as it will be at the end; the start is told, as a kindness."""
        name = f"{button}_locked"
        was = getattr(self._first or facts, name)
        return getattr(facts, name) == (was if self._task.times % 2 == 0 else not was)

    def _dares(self) -> bool:
        turns = turns_of(self._task)
        return bool(self._random.random() < turns / (turns + 1))


def skill_for(step: Step, facts: MemoryFacts) -> str | None:
    """The skill that brings a step nearer; None if it holds already."""
    if step.press:
        return PRESS.format(step.press)
    for name, value in step.facts.items():
        if getattr(facts, name) != value:
            if name == "cube_spot":
                return PUT_CUBE.format(value)
            return (OPEN if value == "open" else CLOSE).format(name)
    return None


def play(task: MemoryTask, *, remembers: bool, random: np.random.Generator) -> bool:
    """Let the oracle do a task in the scene of facts; whether its history meets the task."""
    scene, judge = SymbolicScene(task), History(task)
    oracle = MemoryOracle(task, remembers=remembers, random=random)
    oracle.look(scene.facts)
    judge.look(scene.facts)
    while scene.wait():
        oracle.look(scene.facts)
        judge.look(scene.facts)
    for _ in range(_most_skills(task)):
        skill = oracle.next_skill(scene.facts)
        if skill is None:
            break
        scene.do(skill)
        oracle.look(scene.facts)
        judge.look(scene.facts)
    return judge.is_met


def _most_skills(task: MemoryTask) -> int:
    """More than any right way takes: a step sets at most two facts."""
    return 10 * len(task.steps()) + 10
