"""The only legal moves of a subtask, and the list that a person watches."""

from msgspec.structs import replace

from bridge.errors import ContractError
from bridge.messages import PlanningStatus, Subtask, SubtaskState

# What is over is shown to people and to planners: the newest, or a long run would only grow.
PAST_KEPT = 32
_OVER = frozenset({SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.SKIPPED})
_MOVES = {
    SubtaskState.PENDING: {SubtaskState.ACTIVE, SubtaskState.SKIPPED},
    SubtaskState.ACTIVE: {SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.SKIPPED},
}


def moved(subtask: Subtask, state: SubtaskState) -> Subtask:
    """Return the subtask in its new state.

    Raises:
        ContractError: The move is not legal.
    """
    legal = _MOVES.get(subtask.state, set())
    if state not in legal:
        expected = " or ".join(sorted(legal)) or "no move: it is over"
        raise ContractError(leaf=f"subtask {subtask.id}", expected=expected, got=state)
    return replace(subtask, state=state)


class SubtaskList:
    """What is over, what is under way, and what is still to come, for one goal.

    Of what is over the newest `PAST_KEPT` are in `past`; the counts are of all.
    """

    def __init__(self, goal_id: str, timeout_s: float) -> None:
        self._goal_id = goal_id
        self._timeout_s = timeout_s
        self.begun_count = 0
        self.done_count = 0
        self.past: tuple[Subtask, ...] = ()
        self.active: Subtask | None = None
        self.pending: tuple[Subtask, ...] = ()

    @property
    def all(self) -> tuple[Subtask, ...]:
        """What is kept, in order: past, active, pending."""
        return (*self.past, *((self.active,) if self.active else ()), *self.pending)

    @property
    def done(self) -> tuple[Subtask, ...]:
        """What has been done and is kept, in order."""
        return tuple(each for each in self.past if each.state is SubtaskState.DONE)

    def restore(self, status: PlanningStatus) -> None:
        """Go back to a list that was shown; ids go on from what was begun by then."""
        self.past = tuple(each for each in status.subtasks if each.state in _OVER)
        active = (each for each in status.subtasks if each.state is SubtaskState.ACTIVE)
        self.active = next(active, None)
        waiting = (each for each in status.subtasks if each.state is SubtaskState.PENDING)
        self.pending = tuple(waiting)
        kept = len(self.past) + (self.active is not None)
        self.begun_count = max(status.subtasks_begun, kept)
        self.done_count = max(status.subtasks_done, len(self.done))

    def begin(self, step: Subtask) -> None:
        """Make a planned step the subtask under way.

        Raises:
            ContractError: Another is under way.
        """
        if self.active is not None:
            raise ContractError(leaf="subtask", expected="nothing under way", got=self.active.text)
        self.begun_count += 1
        self.active = moved(self._own(step, str(self.begun_count)), SubtaskState.ACTIVE)

    def end(self, state: SubtaskState) -> None:
        """Close the subtask under way, if there is one."""
        if self.active is not None:
            self.past = (*self.past, moved(self.active, state))[-PAST_KEPT:]
            self.done_count += state is SubtaskState.DONE
            self.active = None

    def expect(self, steps: tuple[Subtask, ...]) -> None:
        """Replace what is still to come."""
        self.pending = tuple(self._own(step, f"next{number}") for number, step in enumerate(steps))

    def _own(self, step: Subtask, number: str) -> Subtask:
        """A planned step under an id of ours, which lasts longer than one plan."""
        return Subtask(
            id=f"{self._goal_id}.{number}",
            text=step.text,
            done_condition=step.done_condition,
            timeout_s=min(step.timeout_s, self._timeout_s),
        )
