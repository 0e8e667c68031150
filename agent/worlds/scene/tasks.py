"""Goals of the scene as wanted facts, and which subtask comes next.

Used to label demonstrations and to judge runs. At run time the planner decides, from images.
"""

from dataclasses import dataclass, fields

import numpy as np

from fast_brain.robots.scene_facts import (
    CLOSE_DRAWER,
    CLOSE_WINDOW,
    LOCK_DRAWER,
    LOCK_WINDOW,
    OPEN_DRAWER,
    OPEN_WINDOW,
    STORE_CUBE,
    UNLOCK_DRAWER,
    UNLOCK_WINDOW,
    SceneFacts,
)

_MOST_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class SceneGoal:
    """Facts somebody wants; ``None`` means "leave as it is"."""

    cube_in_drawer: bool | None = None
    drawer: str | None = None
    drawer_locked: bool | None = None
    window: str | None = None
    window_locked: bool | None = None

    def is_met(self, facts: SceneFacts) -> bool:
        """Say whether every wanted fact is true."""
        return all(
            getattr(self, field.name) in (None, getattr(facts, field.name))
            for field in fields(self)
        )

    def in_words(self) -> str:
        """Return the wanted facts as the planner writes them: "cube in drawer, drawer locked"."""
        words = ["cube in drawer"] if self.cube_in_drawer else []
        for thing, place, locked in (
            ("drawer", self.drawer, self.drawer_locked),
            ("window", self.window, self.window_locked),
        ):
            if place is not None:
                words.append(f"{thing} {place}")
            if locked is not None:
                words.append(f"{thing} {'locked' if locked else 'unlocked'}")
        return ", ".join(words)


def next_subtask(goal: SceneGoal, facts: SceneFacts) -> str | None:
    """Return the subtask that an expert would do now; ``None`` when the goal is met.

    The cube comes first, since it wants an open drawer; then drawer before window, and what has to
    slide before its lock.
    """
    return (
        _next_for_cube(goal, facts)
        or _next_for_drawer(goal, facts)
        or _next_for_window(goal, facts)
    )


def _next_for_cube(goal: SceneGoal, facts: SceneFacts) -> str | None:
    if not goal.cube_in_drawer or facts.cube_in_drawer:
        return None
    if facts.drawer == "open":
        return STORE_CUBE
    return UNLOCK_DRAWER if facts.drawer_locked else OPEN_DRAWER


def _next_for_drawer(goal: SceneGoal, facts: SceneFacts) -> str | None:
    if goal.drawer not in (None, facts.drawer):
        if facts.drawer_locked:
            return UNLOCK_DRAWER
        return OPEN_DRAWER if goal.drawer == "open" else CLOSE_DRAWER
    if goal.drawer_locked not in (None, facts.drawer_locked):
        return LOCK_DRAWER if goal.drawer_locked else UNLOCK_DRAWER
    return None


def _next_for_window(goal: SceneGoal, facts: SceneFacts) -> str | None:
    if goal.window not in (None, facts.window):
        if facts.window_locked:
            return UNLOCK_WINDOW
        return OPEN_WINDOW if goal.window == "open" else CLOSE_WINDOW
    if goal.window_locked not in (None, facts.window_locked):
        return LOCK_WINDOW if goal.window_locked else UNLOCK_WINDOW
    return None


def remaining_subtasks(goal: SceneGoal, facts: SceneFacts) -> list[str]:
    """Return every subtask still to do, in order."""
    steps: list[str] = []
    while (step := next_subtask(goal, facts)) is not None and len(steps) < _MOST_STEPS:
        steps.append(step)
        facts = facts.after(step)
    return steps


FIVE_STEP_CHAIN = SceneGoal(cube_in_drawer=True, drawer="closed", drawer_locked=True)


# How often a drawer goal is about the cube.
_CUBE_SHARE = 0.5


def sample_goal(random: np.random.Generator) -> SceneGoal:
    """Draw a goal; long drawer chains come more often, because they fail more often."""
    kind = random.choice(["chain", "drawer", "window", "both"], p=[0.36, 0.2, 0.24, 0.2])
    if kind == "chain":
        return FIVE_STEP_CHAIN
    drawer = _sample_drawer(random) if kind in ("drawer", "both") else {}
    window = _sample_window(random) if kind in ("window", "both") else {}
    return SceneGoal(**drawer, **window)  # pyright: ignore[reportArgumentType]  # Built below.


def _sample_drawer(random: np.random.Generator) -> dict[str, object]:
    cube = bool(random.random() < _CUBE_SHARE)
    place = str(random.choice(["open", "closed", "any"], p=[0.35, 0.45, 0.2]))
    locked = str(random.choice(["locked", "unlocked", "any"], p=[0.35, 0.2, 0.45]))
    if not cube and place == "any" and locked == "any":
        place = "closed"
    return _wanted("drawer", place, locked) | ({"cube_in_drawer": True} if cube else {})


def _sample_window(random: np.random.Generator) -> dict[str, object]:
    place = str(random.choice(["open", "closed", "any"], p=[0.35, 0.5, 0.15]))
    locked = str(random.choice(["locked", "unlocked", "any"], p=[0.3, 0.2, 0.5]))
    if place == "any" and locked == "any":
        place = "open"
    return _wanted("window", place, locked)


def _wanted(thing: str, place: str, locked: str) -> dict[str, object]:
    wanted: dict[str, object] = {}
    if place != "any":
        wanted[thing] = place
    if locked != "any":
        wanted[f"{thing}_locked"] = locked == "locked"
    return wanted
