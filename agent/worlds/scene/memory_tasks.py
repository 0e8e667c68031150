"""Tasks that the present picture cannot answer: what was at the start, what lit up, how often.

A task states some steps in words, and then asks for something that only the past tells. The same
words and the same present go with several pasts, all equally likely, which want different actions:
so no agent that looks at the present alone can do better than `chance`.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from fast_brain.robots.scene_facts import DRAWER_OPEN_M, WINDOW_OPEN_M

MemoryKind = Literal["put-back", "count", "order", "restore", "other", "gap"]
Answer = Literal["cube back", "as found", "in order", "the other one", "n times"]
KINDS: tuple[MemoryKind, ...] = ("put-back", "count", "order", "restore", "other", "gap")

# Where the cube may lie (x, y) in the base frame [m]; the middle is only ever gone to.
SPOTS: Mapping[str, tuple[float, float]] = {
    "near left": (0.32, 0.15),
    "near right": (0.32, 0.01),
    "far left": (0.43, 0.15),
    "far right": (0.43, 0.01),
    "middle": (0.375, 0.08),
}
START_SPOTS = ("near left", "near right", "far left", "far right")
# This far from a spot in x and in y still counts as there [m].
SPOT_TOLERANCE_M = 0.035
_JITTER_M = 0.01
BUTTONS = ("drawer", "window")
_PLACES = ("open", "closed")
_LIGHTS = 3
# When the first light comes on and how far apart they are [s]; the arm is still on its way then.
FIRST_LIGHT_S, LIGHT_GAP_S = 0.5, 1.0
_TIMES = (2, 3, 4)
_GAP_STEPS = (3, 6)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that has to become true after those before it: facts at once, or a press."""

    facts: Mapping[str, str | bool] = field(default_factory=dict[str, str | bool])
    press: str = ""


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the present does not show: how things were found, and what lit up, in order."""

    drawer: str = ""
    window: str = ""
    cube_spot: str = ""
    lights: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MemoryTask:
    """What is said, what was, and what would have been said of another past just as well.

    `pasts` are all that fit the words, equally likely; `past` is the one that happened. `chance` is
    the most that an agent without memory can reach, averaged over them. `start` goes to the world.
    """

    kind: MemoryKind
    stated: tuple[Step, ...] = ()
    answer: Answer
    times: int = 1
    pasts: tuple[Past, ...] = (Past(),)
    past: Past = field(default_factory=Past)
    start: Mapping[str, object]
    chance: float

    def steps(self, past: Past | None = None) -> tuple[Step, ...]:
        """Everything to do, in order, if `past` is what happened; the true one if None."""
        was = past or self.past
        if self.answer == "n times":
            return self.stated * self.times
        if self.answer == "cube back":
            return (*self.stated, Step(facts={"cube_spot": was.cube_spot}))
        if self.answer == "as found":
            return (*self.stated, Step(facts={"drawer": was.drawer, "window": was.window}))
        wanted = was.lights
        if self.answer == "the other one":
            wanted = tuple(button for button in BUTTONS if button not in was.lights)
        return (*self.stated, *(Step(press=button) for button in wanted))

    @property
    def counts_presses(self) -> bool:
        """Whether a press that was not asked for spoils the task."""
        return any(step.press for step in self.steps())


def sample_memory_task(kind: MemoryKind, random: np.random.Generator) -> MemoryTask:
    """Draw a task of a kind; the same state of `random` draws the same one."""
    if kind == "put-back":
        return _put_back(random, (Step(facts={"cube_spot": "middle"}),))
    if kind == "count":
        return _count(random)
    if kind == "order":
        return _order(random, ())
    if kind == "restore":
        return _restore(random)
    if kind == "other":
        return _other(random)
    return _gap(random)


def as_if(task: MemoryTask, past: Past) -> MemoryTask:
    """The same task, said in the same words, with another past: one of `task.pasts`."""
    start = dict(task.start)
    if past.drawer:
        start["drawer_m"] = DRAWER_OPEN_M if past.drawer == "open" else 0.0
        start["window_m"] = WINDOW_OPEN_M if past.window == "open" else 0.0
    if past.cube_spot:
        x_m, y_m = SPOTS[past.cube_spot]
        was_x_m, was_y_m = SPOTS.get(task.past.cube_spot, (0.0, 0.0))
        lay = task.start["cube_xy_m"]
        start["cube_xy_m"] = [lay[0] - was_x_m + x_m, lay[1] - was_y_m + y_m]  # pyright: ignore[reportIndexIssue]
    if past.lights:
        start["cues"] = cues_of(past.lights)
    return replace(task, past=past, start=start)


def chance_of_counting(turns: int) -> float:
    """The most that an agent reaches that cannot count, where it must go on `turns` times.

    At the one state where both going on and stopping are possible it goes on with probability q, so
    it is right with q^m (1 - q), which is largest at q = m / (m + 1).
    """
    return (turns / (turns + 1)) ** turns / (turns + 1)


def turns_of(task: MemoryTask) -> int:
    """How often a counting task returns to the state at which it ends, before the last time.

    Opening and closing starts where it ends. A button's two states take turns, so that of n presses
    every second one comes to the last state.
    """
    return task.times // 2 if task.stated[0].press else task.times


def _put_back(random: np.random.Generator, stated: tuple[Step, ...]) -> MemoryTask:
    pasts = tuple(Past(cube_spot=spot) for spot in START_SPOTS)
    jitter = random.uniform(-_JITTER_M, _JITTER_M, 2).round(4)
    task = MemoryTask(
        kind="put-back",
        stated=stated,
        answer="cube back",
        pasts=pasts,
        start=_start(random) | {"cube_xy_m": jitter.tolist()},
        chance=1 / len(pasts),
    )
    return as_if(task, _choose(random, pasts))


def _count(random: np.random.Generator) -> MemoryTask:
    thing = str(random.choice(BUTTONS))
    times = int(random.choice(_TIMES))
    start = _start(random) | {f"{thing}_m": 0.0}
    cycle = (Step(facts={thing: "open"}), Step(facts={thing: "closed"}))
    if random.random() < 0.5:  # noqa: PLR2004  # Either is as likely.
        cycle = (Step(press=thing),)
        locks = random.integers(2, size=2)
        start |= {
            f"{button}_locked": bool(lock) for button, lock in zip(BUTTONS, locks, strict=True)
        }
    task = MemoryTask(
        kind="count", stated=cycle, answer="n times", times=times, start=start, chance=1.0
    )
    return replace(task, chance=chance_of_counting(turns_of(task)))


def _order(random: np.random.Generator, stated: tuple[Step, ...]) -> MemoryTask:
    orders = itertools.product(BUTTONS, repeat=_LIGHTS)
    pasts = tuple(Past(lights=order) for order in orders if len(set(order)) > 1)
    task = MemoryTask(
        kind="order",
        stated=stated,
        answer="in order",
        pasts=pasts,
        start=_start(random),
        chance=1 / len(pasts),
    )
    return as_if(task, _choose(random, pasts))


def _restore(random: np.random.Generator) -> MemoryTask:
    stated = {thing: str(random.choice(_PLACES)) for thing in BUTTONS}
    found = (Past(drawer=d, window=w) for d, w in itertools.product(_PLACES, repeat=2))
    pasts = tuple(p for p in found if (p.drawer, p.window) != (stated["drawer"], stated["window"]))
    task = MemoryTask(
        kind="restore",
        stated=(Step(facts=stated),),
        answer="as found",
        pasts=pasts,
        start=_start(random),
        chance=1 / len(pasts),
    )
    return as_if(task, _choose(random, pasts))


def _other(random: np.random.Generator) -> MemoryTask:
    pasts = tuple(Past(lights=(button,)) for button in BUTTONS)
    start = _start(random)
    task = MemoryTask(
        kind="other",
        stated=_errands(random, start, 1),
        answer="the other one",
        pasts=pasts,
        start=start,
        chance=1 / len(pasts),
    )
    return as_if(task, _choose(random, pasts))


def _gap(random: np.random.Generator) -> MemoryTask:
    """One of the tasks above with a long row of errands before its answer."""
    base = str(random.choice(["put-back", "order"]))
    errands = int(random.integers(_GAP_STEPS[0], _GAP_STEPS[1] + 1))
    if base == "order":
        task = _order(random, ())
        return replace(task, kind="gap", stated=_errands(random, task.start, errands))
    task = _put_back(random, ())
    away = Step(facts={"cube_spot": "middle"})
    return replace(task, kind="gap", stated=(away, *_errands(random, task.start, errands)))


def _errands(
    random: np.random.Generator, start: Mapping[str, object], count: int
) -> tuple[Step, ...]:
    """Steps that each change something, of drawer and window in turn as drawn."""
    now = {thing: "open" if start[f"{thing}_m"] else "closed" for thing in BUTTONS}
    steps: list[Step] = []
    for _ in range(count):
        thing = str(random.choice(BUTTONS))
        now[thing] = "closed" if now[thing] == "open" else "open"
        steps.append(Step(facts={thing: now[thing]}))
    return tuple(steps)


def cues_of(lights: tuple[str, ...]) -> list[tuple[float, str]]:
    """When which button lights up [s since the start of the episode]."""
    return [(FIRST_LIGHT_S + LIGHT_GAP_S * i, light) for i, light in enumerate(lights)]


def _start(random: np.random.Generator) -> dict[str, object]:
    """A start in which everything slides, drawer and window as drawn."""
    is_open = random.integers(2, size=2)
    return {
        "drawer_m": DRAWER_OPEN_M * int(is_open[0]),
        "window_m": WINDOW_OPEN_M * int(is_open[1]),
        "drawer_locked": False,
        "window_locked": False,
    }


def _choose(random: np.random.Generator, pasts: tuple[Past, ...]) -> Past:
    return pasts[int(random.integers(len(pasts)))]
