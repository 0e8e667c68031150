"""What the trace is told of a goal's subtasks: each move from one state to the next, and its cause.

The status itself is a latest-value mailbox, of which a recorder may miss what lasted shortly.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from bridge.messages import PlanningStatus, SubtaskState, Thought
from bridge.nodes import Mailboxes
from bridge.trace import emit


def whole_thoughts(thoughts: Iterable[Thought], plan_id: str) -> tuple[Thought, ...]:
    """The thoughts of a plan, one a field: the pieces in which they came put together."""
    fields: dict[str, Thought] = {}
    for thought in thoughts:
        if thought.plan_id == plan_id:
            begun = fields.get(thought.field)
            text = thought.text if begun is None else begun.text + thought.text
            fields[thought.field] = replace(thought, text=text)
    return tuple(replace(each, text=" ".join(each.text.split())) for each in fields.values())


class SubtaskNews:
    """Emits `subtask.moved` for what is not as it was, and `goal.moved` when the phase changes."""

    def __init__(self, outputs: Mailboxes) -> None:
        self._outputs = outputs
        self._goal_id = ""
        self._phase = ""
        self._states: dict[str, str] = {}
        # Of the plan that counts: the next one's may be under way when a subtask moves.
        self._plan_id = ""
        self._thoughts: list[str] = []

    def resume(self, status: PlanningStatus) -> None:
        """Take what a planner before this one showed as told."""
        if status.goal is not None:
            self._goal_id, self._phase = status.goal.id, status.phase
            self._states = {each.id: str(each.state) for each in status.subtasks}

    def note(self, status: PlanningStatus) -> None:
        """Look at what is being published."""
        goal = status.goal
        if goal is None:
            return
        if goal.id != self._goal_id:
            self._goal_id, self._phase, self._states = goal.id, "", {}
        if status.plan is not None and status.plan.id != self._plan_id:
            self._plan_id = status.plan.id
            thoughts = whole_thoughts(status.plan.thoughts, self._plan_id)
            self._thoughts = [f"{each.field}: {each.text}" for each in thoughts]
        states = {each.id: str(each.state) for each in status.subtasks}
        if states != self._states:
            self._tell_moves(status, goal.id)
            self._states = states
        if status.phase != self._phase:
            facts = {"before": self._phase, "phase": status.phase, "reason": status.reason}
            emit(self._outputs, "goal.moved", status.stamp_ns, goal_id=goal.id, **facts)
            self._phase = status.phase

    def _tell_moves(self, status: PlanningStatus, goal_id: str) -> None:
        plan = status.plan
        for subtask in status.subtasks:
            before = self._states.get(subtask.id, "")
            # What is only planned is in `planner.plan`, and anew in each.
            if subtask.state in (before, SubtaskState.PENDING):
                continue
            emit(
                self._outputs,
                "subtask.moved",
                status.stamp_ns,
                goal_id=goal_id,
                subtask_id=subtask.id,
                text=subtask.text,
                before=before,
                state=str(subtask.state),
                reason=status.reason,
                plan_id=plan.id if plan else "",
                trigger=plan.trigger if plan else "",
                thoughts=self._thoughts,
            )
