"""A person is the planner: the subtasks are typed, on the page or with `agent say`."""

from collections.abc import Iterator

from bridge.errors import ConfigError, PlanRefusedError
from bridge.messages import Plan, PlanRequest, Subtask, Thinking, Thought, Wait
from bridge.specs import PlannerSpec
from slow_brain.triggers import TriggerKind

DONE, FINISHED = "done", "finished"
_HOW = f'Say the subtasks: agent say "first; then the next". Also: "{DONE}", "{FINISHED}".'


class HumanPlanner:
    """Does what a person says; until then the robot is held, and nothing is counted against it.

    Each remark on the goal is an order: subtasks separated by ";" take the place of what was left,
    "done" ends the one under way, "finished" says that the goal is met.

    Args:
        subtask_timeout_s: How long a subtask may take before it has failed [s].
    """

    def __init__(self, *, subtask_timeout_s: float = 60.0) -> None:
        if subtask_timeout_s <= 0:
            raise ConfigError(
                f"A subtask needs more than 0 s, but subtask_timeout_s is {subtask_timeout_s:g}."
            )
        self._timeout_s = subtask_timeout_s
        self._goal_id = ""
        self._remarks: tuple[str, ...] = ()
        self._steps: tuple[str, ...] = ()
        # How many subtasks were finished before the first of the steps.
        self._before = 0
        self._done_id = ""
        self._is_finished = False
        # What was wrong with the newest words, until there are others.
        self._refusal = ""

    @property
    def spec(self) -> PlannerSpec:
        """No cameras, and no latents: a person has none to give."""
        return PlannerSpec()

    def plan(self, request: PlanRequest) -> Iterator[Thinking]:
        """Say what the person said last, or wait for it."""
        if request.goal.id != self._goal_id:
            self._begin(request)
        if said := self._new_words(request):
            yield _thought(request, "SAID", said)
            self._obey(said, request)
        plan = self._plan(request)
        if plan is None:
            yield self._wait(request)
            return
        try:
            yield plan
        except PlanRefusedError as refusal:
            self._steps, self._refusal = (), f"Not understood: {refusal}. "
            yield self._wait(request)

    def _wait(self, request: PlanRequest) -> Wait:
        return Wait(reason=f"{self._refusal}{_HOW}", plan_id=request.plan_id)

    def _begin(self, request: PlanRequest) -> None:
        self._goal_id, self._remarks, self._steps = request.goal.id, (), ()
        if request.trigger.startswith(TriggerKind.RESUMED):
            # What was said before the fall may be done by now: what is under way goes on.
            self._remarks = request.remarks
        self._done_id, self._is_finished, self._refusal = "", False, ""

    def _new_words(self, request: PlanRequest) -> str:
        """The newest remark, unless it was obeyed before; the same words may be said again."""
        is_new = request.remarks != self._remarks or request.trigger.startswith(TriggerKind.REMARK)
        self._remarks = request.remarks
        return request.remarks[-1] if is_new and request.remarks else ""

    def _obey(self, said: str, request: PlanRequest) -> None:
        self._refusal = ""
        word = said.strip().rstrip(".!").casefold()
        self._is_finished = word == FINISHED
        if word == DONE:
            self._done_id = request.current.id if request.current else ""
        elif word != FINISHED:
            self._steps = tuple(step.strip() for step in said.split(";") if step.strip())
            self._before, self._done_id = request.finished_count, ""

    def _plan(self, request: PlanRequest) -> Plan | None:
        is_done = request.current is not None and request.current.id == self._done_id
        rest = self._steps[request.finished_count - self._before + is_done :]
        if not (rest or is_done or self._is_finished):
            return None
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{request.plan_id}.{number}", text=text, timeout_s=self._timeout_s)
                for number, text in enumerate(rest)
                if not self._is_finished
            ),
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            current_subtask_done=is_done,
            goal_done=self._is_finished,
            stamp_ns=request.observation.stamp_ns,
        )

    def close(self) -> None:
        """Nothing to free."""


def _thought(request: PlanRequest, field: str, text: str) -> Thought:
    stamp_ns = request.observation.stamp_ns
    return Thought(field=field, text=text, plan_id=request.plan_id, stamp_ns=stamp_ns)
