"""The planner as a node: goals and pictures in; status, thoughts and latents out.

`step` may take as long as the planner thinks, because the node has a process of its own. A newer
goal, or a remark, closes the planner between two of its yields; the monitors are asked there too.
"""

import contextlib
from collections.abc import Generator

from msgspec.structs import replace

from bridge.clock import seconds_between
from bridge.errors import (
    ConfigError,
    ContractError,
    PluginSlowError,
    TandemError,
    UnknownGoalError,
)
from bridge.messages import (
    Goal,
    Latent,
    Plan,
    PlanningStatus,
    PlanRequest,
    Remark,
    Thought,
)
from bridge.nodes import Mailboxes, blaming, publish_output, read_input
from bridge.plugins import make_plugin
from bridge.protocols import Clock, Planner
from bridge.specs import PlannerSpec
from bridge.trace import TraceFact, emit
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_loop import PlanningLoop
from slow_brain.subtask_news import SubtaskNews, thoughts_in_words
from slow_brain.subtask_watch import SubtaskWatch

_End = object()


class PlanningNode:
    """Reads `goal`, `remark` and `observation`; writes `planning` and `latent`.

    For its monitors it also reads `chunk`, `loop_status` and, in an evaluation that allows it,
    `world`.

    What stands in `planning` when it starts is what a planner before it, which fell, showed last:
    it goes on from there.
    """

    def __init__(
        self, *, config: SlowBrainConfig, inputs: Mailboxes, outputs: Mailboxes, clock: Clock
    ) -> None:
        self._config = config
        self._inputs = inputs
        self._outputs = outputs
        self._clock = clock
        self._planner: Planner | None = None
        self._loop = PlanningLoop(config, None)
        self._watch = SubtaskWatch(config.monitoring, inputs=inputs, outputs=outputs, clock=clock)
        self._kept_back: Latent | None = None
        self._planner_error = ""
        self._news = SubtaskNews(outputs)

    @property
    def last_error(self) -> str:
        """The newest trouble of the planner, or of a monitor, that did not end the node."""
        return self._planner_error or self._watch.last_error

    @property
    def spec(self) -> PlannerSpec | None:
        """What the planner declares; None before `start`."""
        return self._planner.spec if self._planner else None

    def start(self) -> None:
        """Load the planner, and resume what the one before it had begun.

        Raises:
            TandemError: It cannot be made.
        """
        planner: Planner = make_plugin(
            "planner", self._config.planner, self._config.planner_options
        )
        self._planner = planner
        self._loop = PlanningLoop(self._config, planner.spec.latent)
        self._watch.start()
        shown: PlanningStatus | None = read_input(self._outputs, "planning")
        if shown is not None:
            self._loop.resume(shown)
            self._news.resume(shown)
            emit(
                self._outputs,
                "planner.resumed",
                self._clock.now_ns(),
                goal_id=self._loop.goal_id,
                phase=shown.phase,
                subtasks=[f"{each.text}: {each.state}" for each in shown.subtasks],
            )

    def step(self, now_ns: int) -> None:
        """Think, if there is a reason to.

        Raises:
            ConfigError: It was not started.
        """
        if self._planner is None:
            raise ConfigError("The planner has not been started: call start() first.")
        goal: Goal | None = read_input(self._inputs, "goal")
        if goal is not None and goal.id != self._loop.goal_id:
            self._loop.follow(goal)
        self._hear(now_ns)
        self._watch.look(self._loop)
        request = self._loop.next_request(read_input(self._inputs, "observation"), now_ns)
        if request is not None:
            self._think(self._planner, request)
        self._publish_status()

    def _hear(self, now_ns: int) -> None:
        """Take in what a person has said since."""
        remark: Remark | None = read_input(self._inputs, "remark")
        if remark is not None and self._loop.hear(remark, now_ns):
            facts = {"text": remark.text, "source": remark.source}
            emit(self._outputs, "planner.remark", now_ns, goal_id=self._loop.goal_id, **facts)

    def _think(self, planner: Planner, request: PlanRequest) -> None:
        self._publish_status()
        self._tell("planner.asked", request, **self._cause())
        try:
            self._run(planner, request)
        except UnknownGoalError as error:
            self._loop.give_up(str(error))
        except TandemError as error:
            # Bad text, a bug, a server that does not answer: the old plan stays, and it is tried
            # again until the budget is spent.
            self._note(error)
        else:
            self._planner_error = ""

    def _run(self, planner: Planner, request: PlanRequest) -> None:
        has_plan, started_ns, self._kept_back = False, self._clock.now_ns(), None
        # Closing runs the planner's own clean-up, whatever ends the loop.
        with contextlib.closing(_blamed(planner, request, self._config.planner)) as results:
            for result in results:
                if self._is_outdated(request):
                    return
                self._check_time(started_ns)
                self._take(result, request)
                self._watch.look(self._loop)
                has_plan |= isinstance(result, Plan)
        if not has_plan:
            raise ContractError(leaf="planner.plan", expected="a plan", got="none")

    def _check_time(self, started_ns: int) -> None:
        """A thought about what was seen long ago must not move the robot."""
        taken_s = seconds_between(started_ns, self._clock.now_ns())
        if taken_s > self._config.thinking_limit_s:
            raise PluginSlowError(
                plugin=self._config.planner,
                verb="plan",
                taken_s=taken_s,
                limit_s=self._config.thinking_limit_s,
            )

    def _take(self, result: Thought | Plan | Latent, request: PlanRequest) -> None:
        # Stamped here, by the run's own clock: a planner need not know what time it is.
        now_ns = self._clock.now_ns()
        match result:
            case Thought():
                self._loop.think(replace(result, stamp_ns=now_ns))
            case Plan():
                self._loop.accept(replace(result, stamp_ns=now_ns), now_ns)
                steps = [f"{each.text}: {each.state}" for each in result.subtasks]
                thoughts = thoughts_in_words(self._loop.status(now_ns).thoughts, result.id)
                facts = {"subtasks": steps, "thoughts": thoughts, "goal_done": result.goal_done}
                self._tell("planner.plan", request, **facts)
                if self._kept_back is not None:
                    self._hand_over(self._kept_back, request)
            case Latent():
                self._hand_over(replace(result, ready_stamp_ns=now_ns), request)
            case _:
                raise ContractError(
                    leaf="planner.plan",
                    expected="Thought, Plan or Latent",
                    got=type(result).__name__,
                )
        self._publish_status()

    def _hand_over(self, latent: Latent, request: PlanRequest) -> None:
        stamped = replace(
            latent,
            episode_id=request.observation.episode_id,
            observation_stamp_ns=request.observation.stamp_ns,
        )
        admitted = self._loop.admit(stamped, request.goal.id)
        # One that came before its plan may speak for the subtask that the plan will begin.
        self._kept_back = stamped if admitted is None else None
        if admitted is not None:
            publish_output(self._outputs, "latent", admitted)
            facts = {"latent_sequence": admitted.sequence, "subtask_id": admitted.subtask_id}
            self._tell("planner.latent", request, **facts)

    def _is_outdated(self, request: PlanRequest) -> bool:
        goal: Goal | None = read_input(self._inputs, "goal")
        if goal is not None and goal.id != request.goal.id:
            return True
        self._hear(self._clock.now_ns())
        return self._loop.has_word_of_a_person

    def _note(self, error: TandemError) -> None:
        self._planner_error = f"{type(error).__name__}: {error}"
        facts = {"error": self._planner_error, "plugin": self._config.planner}
        emit(self._outputs, "planner.failed", self._clock.now_ns(), **facts)
        self._loop.fail(error, self._clock.now_ns())

    def _cause(self) -> dict[str, TraceFact]:
        """Why the planner is asked, and the observation that made it so."""
        trigger = self._loop.trigger
        if trigger is None:
            return {}
        return {
            "trigger_kind": str(trigger.kind),
            "trigger_stamp_ns": trigger.stamp_ns,
            "trigger_observation_sequence": trigger.observation_sequence,
            "trigger_observation_stamp_ns": trigger.observation_stamp_ns,
            "replans": self._loop.replans,
        }

    def _tell(self, kind: str, request: PlanRequest, **facts: TraceFact) -> None:
        """Tell the trace, with what the thinking began from."""
        now_ns, seen = self._clock.now_ns(), request.observation
        emit(
            self._outputs,
            kind,
            now_ns,
            plan_id=request.plan_id,
            goal_id=request.goal.id,
            trigger=request.trigger,
            observation_sequence=seen.sequence,
            observation_age_s=seconds_between(seen.stamp_ns, now_ns),
            **facts,
        )

    def _publish_status(self) -> None:
        status = self._loop.status(self._clock.now_ns())
        publish_output(self._outputs, "planning", status)
        self._news.note(status)

    def close(self) -> None:
        """Let go of the planner."""
        planner, self._planner = self._planner, None
        if planner is not None:
            with blaming(self._config.planner, "close"):
                planner.close()


def _blamed(
    planner: Planner, request: PlanRequest, name: str
) -> Generator[Thought | Plan | Latent]:
    """Yield the planner's results; what it raises that is not ours becomes a `PluginError`."""
    with blaming(name, "plan"):
        # Not every planner is a generator: one may do all its work in the call.
        results = iter(planner.plan(request))
    try:
        while True:
            with blaming(name, "plan"):
                result = next(results, _End)
            if result is _End:
                return
            yield result  # pyright: ignore[reportReturnType]
    finally:
        close = getattr(results, "close", None)
        if close is not None:
            with blaming(name, "plan"):
                close()
