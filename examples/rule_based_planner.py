"""A whole planner: `slow_brain.planner=examples.rule_based_planner:RuleBasedPlanner`."""

from collections.abc import Iterator

from bridge.messages import Plan, PlanRequest, Subtask
from bridge.specs import PlannerSpec


class RuleBasedPlanner:
    """Splits the goal's words at "then" into subtasks; each counts as done at the next look."""

    spec = PlannerSpec()

    def plan(self, request: PlanRequest) -> Iterator[Plan]:
        """Plan what is left."""
        is_done = request.current is not None
        left = request.goal.text.split(" then ")[request.finished_count + is_done :]
        steps = tuple(Subtask(id=f"{request.plan_id}.{n}", text=t) for n, t in enumerate(left))
        seen_ns = request.observation.stamp_ns
        yield Plan(
            id=request.plan_id, goal_id=request.goal.id, trigger=request.trigger, subtasks=steps,
            goal_done=not steps, current_subtask_done=is_done, observation_stamp_ns=seen_ns,
            stamp_ns=seen_ns)  # fmt: skip

    def close(self) -> None:
        """Nothing to free."""
