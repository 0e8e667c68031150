"""When to think, and what follows from a thought: pure decisions, no clock and no I/O.

`PlanningNode` is the thin shell around it. Times come in as arguments.
"""

from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from bridge.clock import seconds_between
from bridge.errors import ContractError
from bridge.messages import (
    Goal,
    Latent,
    Observation,
    PauseRequest,
    Plan,
    PlanningStatus,
    PlanRequest,
    Remark,
    Subtask,
    SubtaskReport,
    SubtaskState,
    Thought,
)
from bridge.specs import LatentSpec
from slow_brain.config import SlowBrainConfig
from slow_brain.pauses import Pauses
from slow_brain.scene_change import SceneChange
from slow_brain.subtask_state import SubtaskList
from slow_brain.triggers import Trigger, TriggerKind, TriggerPolicy

Phase = Literal["idle", "thinking", "acting", "goal_done", "goal_failed"]
_NANOSECONDS = 1_000_000_000
# A person who goes on talking must not make the planner's prompt grow.
_REMARKS_KEPT = 8
_LONGEST_REMARK = 500
# Nor must an error with a long text fill what is shown to everybody.
_LONGEST_REASON = 1000
# Far above what a model may write for one plan: for planners that think aloud without end.
_MOST_THOUGHTS = 400
_MOST_THOUGHT_LETTERS = 12_000


class PlanningLoop:
    """Follows one goal at a time, from its first plan to its end.

    Args:
        config: Rates, confirmations, budgets.
        latent: What the planner's latents must look like; None if it sends none.
    """

    def __init__(self, config: SlowBrainConfig, latent: LatentSpec | None) -> None:
        self._config = config
        self._latent_spec = latent
        self._goal: Goal | None = None
        self._phase: Phase = "idle"
        self._reason = ""
        self._subtasks = SubtaskList("", config.subtask_timeout_s)
        self._plan: Plan | None = None
        # Of the request under way; "" once its plan is there.
        self._wanted_plan_id = ""
        self._thoughts: tuple[Thought, ...] = ()
        self._triggers = TriggerPolicy(
            config.triggers,
            plan_age_s=1 / config.rate_hz,
            replans_per_goal=config.replan_budget,
        )
        self._pauses = Pauses()
        self._scene = SceneChange(config.scene_change)
        self._seen: Observation | None = None
        self._remarks: tuple[str, ...] = ()
        self._remark_id = ""
        self._skills: tuple[str, ...] = ()
        self._trigger: Trigger | None = None
        self._not_before_ns = 0
        self._planned_stamp_ns = -1
        # The subtask that was under way when the planner was asked.
        self._asked_about: str | None = None
        self._started_ns = 0
        self._active_since_ns = 0
        self._verdicts: dict[str, int] = {}
        self._plans_made = 0
        self._plan_latency_s = 0.0
        self._latent_stamp_ns: int | None = None

    @property
    def goal_id(self) -> str:
        """The goal that is being followed; "" before the first."""
        return self._goal.id if self._goal else ""

    @property
    def active(self) -> Subtask | None:
        """The subtask under way."""
        return self._subtasks.active

    @property
    def has_word_of_a_person(self) -> bool:
        """Whether somebody waits to be answered, so that thinking on is of no use."""
        return self._triggers.has_word_of_a_person

    @property
    def replans(self) -> int:
        """What the goal has cost of its budget."""
        return self._triggers.replans

    @property
    def pauses(self) -> Pauses:
        """Whether people make the robot wait, and how long they have in all."""
        return self._pauses

    @property
    def plan(self) -> Plan | None:
        """The newest plan for the goal."""
        return self._plan

    @property
    def trigger(self) -> Trigger | None:
        """Why the planner was asked last, and what caused it."""
        return self._trigger

    @property
    def thoughts(self) -> tuple[Thought, ...]:
        """The newest thoughts of the plan that is being written, or was written last."""
        return self._thoughts

    @property
    def seen(self) -> Observation | None:
        """The newest observation that it was shown."""
        return self._seen

    def see(self, observation: Observation | None) -> None:
        """What is noticed from now on was noticed when this was seen; None changes nothing."""
        if observation is not None:
            self._seen = observation

    def learn_skills(self, skills: tuple[str, ...]) -> None:
        """The robot's subtasks, which every planner is told of; empty for any."""
        self._skills = skills

    def follow(self, goal: Goal) -> None:
        """Drop everything and follow `goal`: the next request is made at once."""
        self._goal, self._phase, self._reason = goal, "thinking", ""
        self._subtasks = SubtaskList(goal.id, self._config.subtask_timeout_s)
        self._plan, self._wanted_plan_id, self._thoughts = None, "", ()
        self._triggers.follow_goal("", self._seen, goal.stamp_ns)
        self._trigger, self._not_before_ns, self._planned_stamp_ns = None, 0, -1
        self._verdicts, self._plans_made, self._remarks = {}, 0, ()
        self._latent_stamp_ns = None

    def resume(self, status: PlanningStatus) -> None:
        """Go on where a planner that fell had come to, by the last status it showed.

        What is done stays done, the active subtask keeps its time limit, and replans stay spent.
        A goal that had ended stays ended; one that had not is thought about at once.
        """
        if status.goal is None:
            return
        self.follow(status.goal)
        self._phase, self._reason = status.phase, status.reason
        self._subtasks.restore(status)
        self._plan, self._plan_latency_s = status.plan, status.plan_latency_s
        self._pauses.resume(status.rested_ns)
        self._plans_made, self._active_since_ns = status.plans_made, status.active_since_ns
        self._triggers.resume_goal(status.replans, status.stamp_ns)
        self._triggers.begin_subtask(self.active.text if self.active else "")

    def heed(self, pause: PauseRequest | None, now_ns: int) -> None:
        """Take note of whether the robot is made to wait; the subtask's time stands still then.

        While the planner may not think there are no requests; afterwards it is asked at once.
        """
        was_quiet = not self._pauses.may_think
        rested_ns = self._pauses.heed(pause, now_ns)
        self._active_since_ns = min(now_ns, self._active_since_ns + rested_ns)
        if was_quiet and self._pauses.may_think:
            self._triggers.note(TriggerKind.WENT_ON, "", self._seen, now_ns)

    def next_request(self, observation: Observation | None, now_ns: int) -> PlanRequest | None:
        """Return what to think about now, or None while there is no reason to think."""
        if self._goal is None or self._phase not in ("thinking", "acting") or observation is None:
            return None
        self._seen = observation
        if not self._pauses.may_think:
            return None
        self._check_timeout(now_ns)
        if now_ns < self._not_before_ns or observation.stamp_ns <= self._planned_stamp_ns:
            return None
        if change := self._scene.look(observation):
            self._note(TriggerKind.SCENE_CHANGE, change, now_ns)
        trigger = self._triggers.next(observation, now_ns)
        if trigger is None:
            return None
        self._scene.settle(observation)
        self._trigger, self._started_ns = trigger, now_ns
        self._planned_stamp_ns = observation.stamp_ns
        self._asked_about = self.active and self.active.id
        self._thoughts = ()
        self._plans_made += 1
        self._wanted_plan_id = f"{self._goal.id}.plan{self._plans_made}"
        return PlanRequest(
            observation=observation,
            goal=self._goal,
            finished=self._subtasks.done,
            finished_count=self._subtasks.done_count,
            current=self._subtasks.active,
            trigger=trigger.words,
            plan_id=self._wanted_plan_id,
            remarks=self._remarks,
            skills=self._skills,
            rested_ns=self._pauses.rested_ns,
        )

    def _check_timeout(self, now_ns: int) -> None:
        active = self.active
        if active and seconds_between(self._active_since_ns, now_ns) > active.timeout_s:
            self._fail_active(f"{active.text!r} took longer than {active.timeout_s:g} s", now_ns)

    def report(self, report: SubtaskReport, now_ns: int) -> None:
        """Let what the monitors found take effect, if it is about the subtask under way.

        What is done is followed by the next planned step at once; the planner looks again anyway.
        """
        active = self.active
        if active is None or report.subtask_id != active.id:
            return
        match report.state:
            case SubtaskState.DONE:
                self._reason = report.reason
                self._note(TriggerKind.DONE, report.reason, now_ns)
                self._finish_active(now_ns)
            case SubtaskState.FAILED:
                self._fail_active(f"{active.text!r} failed: {report.reason}", now_ns)
            case _:
                self._note(TriggerKind.STALLED, report.reason, now_ns)

    def hear(self, remark: Remark, now_ns: int) -> bool:
        """Take in what a person says about the goal under way; the planner is asked at once.

        What is done stays done. A remark that was heard already, that is older than the goal, or
        for which nothing is under way, changes nothing.
        """
        if remark.id == self._remark_id or self._phase not in ("thinking", "acting"):
            return False
        self._remark_id = remark.id
        if self._goal is None or remark.stamp_ns < self._goal.stamp_ns:
            return False
        words = remark.text[:_LONGEST_REMARK]
        self._remarks = (*self._remarks, words)[-_REMARKS_KEPT:]
        # A person does not wait for a planner's rest.
        self._not_before_ns = 0
        self._note(TriggerKind.REMARK, words, now_ns)
        return True

    def _finish_active(self, now_ns: int) -> None:
        self._subtasks.end(SubtaskState.DONE)
        self._verdicts = {}
        if self._triggers.gave_up:
            self.give_up(self._triggers.gave_up)
        elif self._subtasks.pending:
            self._switch(self._subtasks.pending, now_ns)
        else:
            self._phase = "thinking"

    def _fail_active(self, reason: str, now_ns: int) -> None:
        self._subtasks.end(SubtaskState.FAILED)
        self._phase, self._verdicts = "thinking", {}
        self._note(TriggerKind.FAILED, reason, now_ns)

    def _note(self, kind: TriggerKind, reason: str, now_ns: int) -> None:
        """A reason to think again; one too many and the goal has failed."""
        reason = reason[:_LONGEST_REASON]
        self._reason = reason
        self._triggers.note(kind, reason, self._seen, now_ns)
        if self._triggers.gave_up and kind is not TriggerKind.DONE:
            self.give_up(self._triggers.gave_up)

    def give_up(self, reason: str) -> None:
        """End the goal as failed."""
        self._subtasks.end(SubtaskState.FAILED)
        self._subtasks.expect(())
        self._phase, self._reason = "goal_failed", reason[:_LONGEST_REASON]

    def think(self, thought: Thought) -> None:
        """Keep a thought of the plan that is being written; of too many, the newest."""
        self._thoughts = newest_thoughts((*self._thoughts, thought))

    def wait(self, reason: str) -> None:
        """The planner has no plan now: what is under way goes on, and what it waits for is told."""
        self._wanted_plan_id = ""
        if self._phase in ("thinking", "acting"):
            self._reason = reason[:_LONGEST_REASON]

    def accept(self, plan: Plan, now_ns: int) -> None:
        """Let a finished plan take effect: end, begin or keep subtasks.

        Raises:
            ContractError: It is not the one plan that was asked for, or says nothing; the old one
                stays.
        """
        self._check_plan(plan)
        self._plan, self._wanted_plan_id = plan, ""
        self._plan_latency_s = seconds_between(self._started_ns, now_ns)
        active = self._subtasks.active
        if (active and active.id) != self._asked_about:
            # The monitors were faster: it speaks of a subtask that is over, and is asked anew.
            return
        if plan.goal_done:
            self._count("goal", self._config.goal_confirmations, self._finish_goal)
        elif active is None:
            self._begin_next(plan.subtasks, now_ns)
        elif plan.current_subtask_done and self._config.monitoring.verdict_is_a_vote:
            # The monitors decide; what comes next is known already.
            self._subtasks.expect(plan.subtasks)
        elif plan.current_subtask_done:
            self._count(
                "done",
                self._config.done_confirmations,
                lambda: self._advance(plan.subtasks, now_ns),
            )
        elif plan.subtasks[0].text != active.text:
            self._count(
                f"switch to {plan.subtasks[0].text}",
                1 if self._answers_a_person else self._config.switch_confirmations,
                lambda: self._drop(active, plan.subtasks, now_ns),
            )
        else:
            self._verdicts = {}
            self._subtasks.expect(plan.subtasks[1:])

    @property
    def _answers_a_person(self) -> bool:
        """Whether the planner was asked because of a remark: then its word needs no second."""
        return self._trigger is not None and self._trigger.kind is TriggerKind.REMARK

    def _check_plan(self, plan: Plan) -> None:
        wanted = f"one plan {self._wanted_plan_id!r}" if self._wanted_plan_id else "no other plan"
        if (plan.id, plan.goal_id) != (self._wanted_plan_id, self.goal_id):
            raise ContractError(leaf="plan.id", expected=wanted, got=plan.id)
        if not (plan.subtasks or plan.goal_done or plan.current_subtask_done):
            raise ContractError(leaf="plan", expected="a subtask or the goal done", got="neither")

    def _count(self, verdict: str, wanted: int, effect: Callable[[], None]) -> None:
        """Let a verdict take effect when it has been given often enough in a row."""
        self._verdicts = {verdict: self._verdicts.get(verdict, 0) + 1}
        if self._verdicts[verdict] >= wanted:
            self._verdicts = {}
            effect()

    def _finish_goal(self) -> None:
        self._subtasks.end(SubtaskState.DONE)
        self._subtasks.expect(())
        self._phase, self._reason = "goal_done", "the planner sees that everything is as wanted"

    def _advance(self, steps: tuple[Subtask, ...], now_ns: int) -> None:
        self._subtasks.end(SubtaskState.DONE)
        self._begin_next(steps, now_ns)

    def _begin_next(self, steps: tuple[Subtask, ...], now_ns: int) -> None:
        """Begin the first of the steps; without any, the planner is asked what comes next."""
        if steps:
            self._switch(steps, now_ns)
        else:
            self._phase = "thinking"
            self._subtasks.expect(())

    def _drop(self, active: Subtask, steps: tuple[Subtask, ...], now_ns: int) -> None:
        self._subtasks.end(SubtaskState.SKIPPED)
        self._reason = f"{steps[0].text!r} has to come before {active.text!r}"
        # What a person wants changed costs nothing.
        if self._answers_a_person or self._triggers.spend(self._reason):
            self._switch(steps, now_ns)
        else:
            self.give_up(self._triggers.gave_up)

    def _switch(self, steps: tuple[Subtask, ...], now_ns: int) -> None:
        self._subtasks.begin(steps[0])
        self._triggers.begin_subtask(steps[0].text)
        # What was counted was said about another subtask.
        self._active_since_ns, self._verdicts = now_ns, {}
        self._subtasks.expect(steps[1:])
        self._phase = "acting"

    def admit(self, latent: Latent, goal_id: str) -> Latent | None:
        """Return the latent as it may be published, or None if it must not be.

        A latent speaks for the subtask that was decided with it. One that speaks for another than
        the subtask under way is kept back until that decision is confirmed.

        Raises:
            ContractError: It is not as the planner declared, or not finite.
        """
        if self._latent_spec is None:
            raise ContractError(
                leaf="latent", expected="none: the planner declares none", got="one"
            )
        self._latent_spec.validate(latent)
        active = self._subtasks.active
        if goal_id != self.goal_id or active is None:
            return None
        if latent.subtask_text not in ("", active.text):
            return None
        self._latent_stamp_ns = latent.observation_stamp_ns
        return replace(latent, subtask_id=active.id, subtask_text=active.text)

    def fail(self, error: Exception, now_ns: int) -> None:
        """Note that thinking ended in an error: the old plan stays, and thinking is tried again.

        The first try after an error is the repair; it comes after a short rest, and costs budget.
        """
        self._not_before_ns = now_ns + round(self._config.backoff_s * _NANOSECONDS)
        self._note(TriggerKind.REPAIR, f"repair after {type(error).__name__}: {error}", now_ns)

    def status(self, now_ns: int) -> PlanningStatus:
        """Return what people and the policy see."""
        age_s = float("inf")
        if self._latent_stamp_ns is not None:
            age_s = seconds_between(self._latent_stamp_ns, now_ns)
        return PlanningStatus(
            phase=self._phase,
            stamp_ns=now_ns,
            goal=self._goal,
            plan=self._plan,
            subtasks=self._subtasks.all,
            thoughts=self._thoughts,
            reason=self._reason,
            plan_latency_s=self._plan_latency_s,
            latent_age_s=age_s,
            plans_made=self._plans_made,
            replans=self._triggers.replans,
            active_since_ns=self._active_since_ns,
            subtasks_begun=self._subtasks.begun_count,
            subtasks_done=self._subtasks.done_count,
            rested_ns=self._pauses.rested_ns,
        )


def newest_thoughts(thoughts: tuple[Thought, ...]) -> tuple[Thought, ...]:
    """Return the newest of them that are few and short enough to be shown."""
    kept, letters = 0, 0
    for thought in reversed(thoughts[-_MOST_THOUGHTS:]):
        letters += len(thought.text)
        if kept and letters > _MOST_THOUGHT_LETTERS:
            break
        kept += 1
    newest = thoughts[len(thoughts) - kept :]
    return tuple(
        each
        if len(each.text) <= _MOST_THOUGHT_LETTERS
        else replace(each, text=each.text[:_MOST_THOUGHT_LETTERS])
        for each in newest
    )
