"""Memory tasks as episodes of an evaluation: one suite a kind, judged over the whole episode.

An episode's callables follow what happens, so an episode is played once: suites make a new one for
each play, from the evaluation's seed and the episode's index.
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from agent.evaluation.episodes import EPISODE_LIMIT_S, Episode, Facts, Suite, world_seed
from agent.worlds.scene.memory_tasks import KINDS, MemoryKind, MemoryTask, Step, sample_memory_task
from agent.worlds.scene.memory_tasks_history import History, MemoryFacts
from agent.worlds.scene.memory_tasks_language import sample_memory_phrasing
from agent.worlds.scene.memory_tasks_oracle import PRESS, PUT_CUBE

_TASK, _PHRASING = 2, 3
# Some four times what the demonstrator takes, but for the long row of errands [s].
_LIMIT_S = 60.0
_WHAT: Mapping[MemoryKind, str] = {
    "put-back": "move the cube, then put it back where it was at the start",
    "count": "open and close, or press, as many times as was said",
    "order": "press the buttons in the order in which they lit up",
    "restore": "change drawer and window as said, then return them to how they were found",
    "other": "press the button that did not light up, after an interruption",
    "gap": "put back the cube, or press in order, after a long row of errands",
}


def memory_task(kind: MemoryKind, seed: int, index: int) -> MemoryTask:
    """The task of one episode: the same seed and index draw the same one."""
    return sample_memory_task(kind, np.random.default_rng([seed, index, _TASK]))


def memory_episode(kind: MemoryKind, seed: int, index: int) -> Episode:
    """One episode of a kind, said in a phrasing that no training has seen."""
    task = memory_task(kind, seed, index)
    random = np.random.default_rng([seed, index, _PHRASING])
    followed = _Followed(task)
    return Episode(
        index=index,
        seed=world_seed(seed, index),
        goal=sample_memory_phrasing(task, random, held_out=True),
        start=task.start,
        is_met=followed.is_met,
        needed=followed.needed,
        is_reached=followed.is_reached,
        spoiled=followed.spoiled,
        symbols={"memory_task": msgspec.to_builtins(task)},
    )


def memory_suites() -> tuple[Suite, ...]:
    """One suite a kind, for the list of all suites."""
    # A robot's name is a lock; without one, any number of worlds run side by side.
    alone = {"robot_name": None, "render_thread": False, "states_path": ""}
    return tuple(
        Suite(
            name=f"memory-{kind}",
            what=_WHAT[kind],
            robot_kind="ogbench_scene",
            preset="memory",
            make=_Maker(kind),
            robot_options=alone,
            limit_s=EPISODE_LIMIT_S if kind == "gap" else _LIMIT_S,
        )
        for kind in KINDS
    )


class _Maker:
    """Makes the episodes of a kind; a class, so that a suite can go to another process."""

    def __init__(self, kind: MemoryKind) -> None:
        self._kind: MemoryKind = kind

    def __call__(self, seed: int, index: int) -> Episode:
        return memory_episode(self._kind, seed, index)


class _Followed:
    """One episode's history, as the judge asks about it: report by report, each counted once."""

    def __init__(self, task: MemoryTask) -> None:
        self._history = History(task)
        self._texts = [f"{i}. {_words(step)}" for i, step in enumerate(task.steps(), start=1)]
        self._last: Facts | None = None

    def is_met(self, facts: Facts) -> bool:
        """Whether everything so far, this report included, is what was asked for."""
        self._look(facts)
        return self._history.is_met

    def needed(self, facts: Facts) -> list[str]:
        """The steps in order."""
        self._look(facts)
        return list(self._texts)

    def is_reached(self, text: str, facts: Facts) -> bool:
        """Whether the history has come past a step."""
        self._look(facts)
        return self._history.done > self._texts.index(text)

    def spoiled(self, facts: Facts) -> str:
        """What happened that cannot be undone; "" for nothing."""
        self._look(facts)
        return self._history.spoiled

    def _look(self, facts: Facts) -> None:
        if facts is not self._last:
            self._last = facts
            self._history.look(MemoryFacts.of(facts))


def _words(step: Step) -> str:
    if step.press:
        return PRESS.format(step.press)
    said = [
        PUT_CUBE.format(value) if name == "cube_spot" else f"{name} {value}"
        for name, value in step.facts.items()
    ]
    return ", ".join(said)
