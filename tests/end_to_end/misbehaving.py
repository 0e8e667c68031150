"""A planner that does harm the first time it is asked for it, and behaves from then on."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bridge import Plan, PlannerSpec, PlanRequest, Subtask, Thought

_LATE_S = 0.8
_LEAK_BYTES = 900_000_000


class Misbehaving:
    """Plans "reach left"; before that it does what the goal says.

    Args:
        folder: Where it notes what it has done, across its lives.
    """

    spec = PlannerSpec()
    leaked: np.ndarray | None = None

    def __init__(self, *, folder: str) -> None:
        self._folder = Path(folder)

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Do harm once, then plan."""
        done = self._folder / request.goal.text.replace(" ", "_")
        if not done.exists():
            done.touch()
            self._harm(request.goal.text)
        seen_ns = request.observation.stamp_ns
        yield Thought(field="PLAN", text="left", plan_id=request.plan_id, stamp_ns=seen_ns)
        is_done = request.current is not None
        steps = () if is_done else (Subtask(id="1", text="reach left"),)
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=steps,
            trigger=request.trigger,
            current_subtask_done=is_done,
            goal_done=is_done,
            observation_stamp_ns=seen_ns,
            stamp_ns=seen_ns,
        )

    def _harm(self, how: str) -> None:
        match how:
            case "raise":
                raise ValueError("out of ideas")
            case "be late":
                threading.Event().wait(_LATE_S)
            case "leak":
                type(self).leaked = np.ones(_LEAK_BYTES, np.uint8)
            case "hang":
                threading.Event().wait()
            case _:
                pass

    def close(self) -> None:
        """Nothing to free."""
