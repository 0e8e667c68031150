"""The planner as a node: goals and pictures in; status, thoughts and latents out.

It is stepped as often as the control loop, so that a person's word is heard within one period; what
else there is to do is looked at more rarely. `step` may take as long as the planner thinks, because
the node has a process of its own. A newer goal, or a remark, closes the planner between two of its
yields; the monitors are asked there too.
"""

import contextlib

from msgspec.structs import replace

from bridge.arrays import picture_hash
from bridge.clock import seconds_between
from bridge.errors import (
    ConfigError,
    ContractError,
    PlanRefusedError,
    PluginSlowError,
    TandemError,
    UnknownGoalError,
)
from bridge.messages import (
    Goal,
    Latent,
    Observation,
    PauseRequest,
    Plan,
    PlanningStatus,
    PlanRequest,
    Remark,
    Reply,
    Skills,
    Thinking,
    Thought,
    Wait,
)
from bridge.nodes import Mailboxes, blaming, publish_output, read_input
from bridge.plugins import make_plugin
from bridge.protocols import Clock, Planner
from bridge.specs import PlannerSpec
from bridge.trace import TRACE, TraceFact, emit
from slow_brain.config import SlowBrainConfig
from slow_brain.latent_sketch import sketch
from slow_brain.plan_guard import PlanGuard
from slow_brain.planner_call import PlannerCall
from slow_brain.planning_loop import PlanningLoop
from slow_brain.prompts.feasibility import FeasibilityFilter
from slow_brain.subtask_news import SubtaskNews, whole_thoughts
from slow_brain.subtask_watch import SubtaskWatch

_NS_PER_S = 1_000_000_000
# The mailboxes in which a person speaks.
_VOICES = ("goal", "remark", "pause")
# A beat that comes a little early is the one that was meant.
_EARLY_NS = 4_000_000


class PlanningNode:
    """Reads `goal`, `remark`, `pause`, `skills` and `observation`; writes `planning` and `latent`.

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
        self._guard = PlanGuard(FeasibilityFilter("", config.least_feasibility))
        self._look_period_ns = round(_NS_PER_S / config.poll_rate_hz) - _EARLY_NS
        self._looked_ns: int | None = None
        self._heard: tuple[int, ...] = ()
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
        feasibility = FeasibilityFilter(self._config.feasibility, self._config.least_feasibility)
        self._guard = PlanGuard(feasibility)
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
        if not (self._is_spoken_to() or self._is_time_to_look(now_ns)):
            return
        self._looked_ns = now_ns
        observation: Observation | None = read_input(self._inputs, "observation")
        self._loop.see(observation)
        self._learn_skills()
        goal: Goal | None = read_input(self._inputs, "goal")
        if goal is not None and goal.id != self._loop.goal_id:
            self._loop.follow(goal)
        self._heed(now_ns)
        self._hear(now_ns)
        self._watch.look(self._loop)
        request = self._loop.next_request(observation, now_ns)
        if request is not None:
            self._think(self._planner, request)
        self._publish_status()

    def _is_time_to_look(self, now_ns: int) -> bool:
        return self._looked_ns is None or now_ns - self._looked_ns >= self._look_period_ns

    def _is_spoken_to(self) -> bool:
        """Whether a person has said something since this was asked last; costs next to nothing."""
        boxes = (self._inputs.get(name) for name in _VOICES)
        heard = self._heard
        self._heard = tuple(0 if box is None else box.version for box in boxes)
        return heard != self._heard

    def _learn_skills(self) -> None:
        skills: Skills | None = read_input(self._inputs, "skills")
        if skills is not None:
            self._loop.learn_skills(skills.names)

    def _heed(self, now_ns: int) -> None:
        """Take in whether a person makes the robot wait."""
        pause: PauseRequest | None = read_input(self._inputs, "pause")
        self._loop.heed(pause, now_ns)

    def _hear(self, now_ns: int) -> None:
        """Take in what a person has said since."""
        remark: Remark | None = read_input(self._inputs, "remark")
        if remark is not None and self._loop.hear(remark, now_ns):
            facts = {"text": remark.text, "source": remark.source}
            emit(self._outputs, "planner.remark", now_ns, goal_id=self._loop.goal_id, **facts)

    def _think(self, planner: Planner, request: PlanRequest) -> None:
        self._publish_status()
        # For the recorder: the pictures behind this thought must not be missed.
        publish_output(self._outputs, "shown", request.observation)
        self._tell("planner.asked", request, images=self._pictures(request), **self._cause())
        try:
            self._run(planner, request)
        except UnknownGoalError as error:
            self._loop.give_up(str(error))
        except TandemError as error:
            # Bad text, a bug, a server that does not answer: the old plan stays, and it is tried
            # again until the budget is spent.
            self._note(error, request)
        else:
            self._planner_error = ""

    def _run(self, planner: Planner, request: PlanRequest) -> None:
        has_answered, started_ns, self._kept_back = False, self._clock.now_ns(), None
        call = PlannerCall(planner, request, self._config.planner)
        with contextlib.closing(call):
            for result in call:
                self._check_time(started_ns)
                if self._is_outdated(request):
                    return
                try:
                    self._take(result, request)
                except PlanRefusedError as refusal:
                    self._tell("planner.refused", request, reason=str(refusal))
                    call.refuse(refusal)
                self._watch.look(self._loop)
                has_answered |= isinstance(result, Plan | Wait)
        if not has_answered:
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

    def _take(self, result: Thinking, request: PlanRequest) -> None:
        # Stamped here, by the run's own clock: a planner need not know what time it is.
        now_ns = self._clock.now_ns()
        match result:
            case None:
                return
            case Thought():
                self._loop.think(replace(result, stamp_ns=now_ns))
                self._tell("planner.thought", request, field=result.field, text=result.text)
            case Reply():
                self._tell("planner.reply", request, text=result.text)
                return
            case Plan():
                self._take_plan(self._guard.checked(result, request), request, now_ns)
            case Wait():
                self._loop.wait(result.reason)
                self._tell("planner.waits", request, reason=result.reason)
            case Latent():
                self._hand_over(replace(result, ready_stamp_ns=now_ns), request)
            case _:
                raise ContractError(
                    leaf="planner.plan",
                    expected="Thought, Plan or Latent",
                    got=type(result).__name__,
                )
        self._publish_status()

    def _take_plan(self, plan: Plan, request: PlanRequest, now_ns: int) -> None:
        thoughts = plan.thoughts or whole_thoughts(self._loop.thoughts, plan.id)
        self._loop.accept(replace(plan, thoughts=thoughts, stamp_ns=now_ns), now_ns)
        self._tell(
            "planner.plan",
            request,
            subtasks=[f"{each.text}: {each.state}" for each in plan.subtasks],
            timeouts_s=[each.timeout_s for each in plan.subtasks],
            done_conditions=[each.done_condition for each in plan.subtasks],
            thoughts=[f"{each.field}: {each.text}" for each in thoughts],
            current_subtask_done=plan.current_subtask_done,
            goal_done=plan.goal_done,
        )
        if self._kept_back is not None:
            self._hand_over(self._kept_back, request)

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
            self._tell("planner.latent", request, **facts, **sketch(admitted))

    def _is_outdated(self, request: PlanRequest) -> bool:
        """Whether a person has said something that this thought does not know of."""
        reason = self._word_against(request) if self._is_spoken_to() else ""
        if reason:
            self._tell("planner.cut_short", request, reason=reason)
            # The person is answered at the next beat.
            self._looked_ns = None
        return bool(reason)

    def _word_against(self, request: PlanRequest) -> str:
        """What a person said that makes it useless to think on; empty for nothing."""
        goal: Goal | None = read_input(self._inputs, "goal")
        if goal is not None and goal.id != request.goal.id:
            return "a new goal"
        self._loop.see(read_input(self._inputs, "observation"))
        now_ns = self._clock.now_ns()
        self._heed(now_ns)
        self._hear(now_ns)
        if self._loop.has_word_of_a_person:
            return "a remark"
        return "" if self._loop.pauses.may_think else "a pause"

    def _note(self, error: TandemError, request: PlanRequest) -> None:
        self._planner_error = f"{type(error).__name__}: {error}"
        facts = {"error": self._planner_error, "plugin": self._config.planner}
        self._tell("planner.failed", request, **facts)
        self._loop.fail(error, self._clock.now_ns())

    def _pictures(self, request: PlanRequest) -> list[str]:
        """The pictures that the planner is shown, by camera, as traces call them."""
        if self._planner is None or TRACE not in self._outputs:
            return []
        images = request.observation.images
        wanted = self._planner.spec.cameras or tuple(images)
        return [f"{name}={picture_hash(images[name])}" for name in wanted if name in images]

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
