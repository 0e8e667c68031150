"""A py_trees behaviour tree as planner: `examples.behaviour_tree_planner:BehaviourTreePlanner`.

Each leaf is a subtask and knows when it is done; the leaf that is running is what the robot is
told to do. Any tree will do: what py_trees offers of selectors, retries and decorators works here.
Needs `pip install py_trees`.
"""

from collections.abc import Iterator

import numpy as np
import py_trees
from py_trees.behaviour import Behaviour
from py_trees.common import Status

from bridge import Observation, Plan, PlannerSpec, PlanRequest, Subtask, Thought, UnknownGoalError

# Where the tip of the point arm has to be [m], in the base frame.
_PLACES_M = {
    "reach left": (0.40, 0.20, 0.20),
    "reach right": (0.40, -0.20, 0.20),
    "return home": (0.25, 0.00, 0.30),
}
_REACHED_M = 0.02


class Seen:
    """What the leaves look at: the newest observation."""

    observation: Observation


class Reach(Behaviour):
    """Running until the tip is at its place; its name is the subtask."""

    def __init__(self, place: str, seen: Seen) -> None:
        super().__init__(name=place)
        self._place_m = np.array(_PLACES_M[place])
        self._seen = seen

    def update(self) -> Status:
        """Look where the tip is."""
        tip_m = self._seen.observation.proprioception["tip_position_in_base"]
        is_there = np.linalg.norm(tip_m - self._place_m) <= _REACHED_M
        return Status.SUCCESS if is_there else Status.RUNNING


class BehaviourTreePlanner:
    """Ticks a tree at each look: "tidy up" reaches both sides, in this order, and goes home."""

    spec = PlannerSpec()

    def __init__(self) -> None:
        self._seen = Seen()
        self._goal_id, self._root = "", _make_tree(self._seen)

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Tick once; the running leaf and those after it are the plan.

        Raises:
            UnknownGoalError: There is no tree for the goal.
        """
        if request.goal.text != "tidy up":
            raise UnknownGoalError(text=request.goal.text, known=("tidy up",))
        if request.goal.id != self._goal_id:
            self._goal_id, self._root = request.goal.id, _make_tree(self._seen)
        self._seen.observation = request.observation
        self._root.tick_once()
        left = [leaf.name for leaf in self._root.children if leaf.status != Status.SUCCESS]
        seen_ns = request.observation.stamp_ns
        shown = py_trees.display.ascii_tree(self._root, show_status=True)
        yield Thought(field="PLAN", text=shown, plan_id=request.plan_id, stamp_ns=seen_ns)
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(Subtask(id=str(n), text=text) for n, text in enumerate(left)),
            trigger=request.trigger,
            current_subtask_done=request.current is not None and request.current.text not in left,
            goal_done=self._root.status == Status.SUCCESS,
            observation_stamp_ns=seen_ns,
            stamp_ns=seen_ns,
        )

    def close(self) -> None:
        """Let the leaves clean up."""
        self._root.stop(Status.INVALID)


def _make_tree(seen: Seen) -> py_trees.composites.Sequence:
    # With memory, a leaf that has succeeded is not asked again.
    steps = [Reach(place, seen) for place in _PLACES_M]
    return py_trees.composites.Sequence(name="tidy up", memory=True, children=steps)
