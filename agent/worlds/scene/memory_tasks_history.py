"""Whether a memory task was done, judged by everything that happened and not by how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.worlds.scene.memory_tasks import BUTTONS, SPOT_TOLERANCE_M, SPOTS, MemoryTask, Step

WorldFacts = Mapping[str, bool | float | str]
# A cube this low lies on the table [m]; in the drawer it lies higher.
_ON_TABLE_BELOW_M = 0.05


@dataclass(frozen=True, kw_only=True)
class MemoryFacts:
    """What is true at one moment, as far as memory tasks care.

    `cube_spot` is "" anywhere but at a spot; `lit` names the button that is lit now, if any.
    """

    drawer: str
    drawer_locked: bool
    window: str
    window_locked: bool
    cube_spot: str
    lit: str = ""

    @classmethod
    def of(cls, facts: WorldFacts) -> "MemoryFacts":
        """From what the simulated scene reports."""
        return cls(
            drawer=str(facts["drawer"]),
            drawer_locked=bool(facts["drawer_locked"]),
            window=str(facts["window"]),
            window_locked=bool(facts["window_locked"]),
            cube_spot=_spot_of(facts),
            lit=str(facts.get("lit", "")),
        )

    def holds(self, step: Step) -> bool:
        """Whether everything that a step of facts wants is true at once."""
        return all(getattr(self, name) == value for name, value in step.facts.items())


class History:
    """Follows an episode: which steps were done in their turn, and whether it was spoiled.

    A press that was not the next step spoils a task of presses. Beginning once more after the last
    time spoils a task of counting. Everything else may be undone and done again.
    """

    def __init__(self, task: MemoryTask) -> None:
        self._task = task
        self._steps = task.steps()
        self._before: MemoryFacts | None = None
        self.done = 0
        self.spoiled = ""

    @property
    def is_met(self) -> bool:
        """Whether all of it was done in order, and what was done last still holds."""
        if self.spoiled or self.done < len(self._steps) or self._before is None:
            return False
        return self._before.holds(self._steps[-1])

    def look(self, facts: MemoryFacts) -> None:
        """Take in the facts of one more moment, in order of time."""
        before, self._before = self._before or facts, facts
        for button in BUTTONS:
            name = f"{button}_locked"
            if getattr(before, name) != getattr(facts, name):
                self._note_press(button)
        while (step := self._next()) is not None and not step.press and facts.holds(step):
            self.done += 1
        if self._begins_again(before, facts):
            self.spoiled = f"done more than {self._task.times} times"

    def _next(self) -> Step | None:
        return self._steps[self.done] if self.done < len(self._steps) else None

    def _note_press(self, button: str) -> None:
        step = self._next()
        if step is not None and step.press == button:
            self.done += 1
        elif self._task.counts_presses and not self.spoiled:
            wanted = f"the {step.press} button" if step and step.press else "no button"
            self.spoiled = f"the {button} button was pressed, and {wanted} was to be"

    def _begins_again(self, before: MemoryFacts, facts: MemoryFacts) -> bool:
        first = self._steps[0]
        is_over = self._task.answer == "n times" and self.done == len(self._steps)
        return is_over and not first.press and facts.holds(first) and not before.holds(first)


def _spot_of(facts: WorldFacts) -> str:
    if facts["cube_held"] or facts["cube_in_drawer"]:
        return ""
    if float(facts["cube_z_m"]) > _ON_TABLE_BELOW_M:
        return ""
    for name, (x_m, y_m) in SPOTS.items():
        away_m = abs(float(facts["cube_x_m"]) - x_m), abs(float(facts["cube_y_m"]) - y_m)
        if max(away_m) <= SPOT_TOLERANCE_M:
            return name
    return ""
