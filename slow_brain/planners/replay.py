"""Thinks again what a planner thought in a recorded run: thoughts, plans and latents.

To see today's fast brain under yesterday's thoughts, or to show a run without its model.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

from bridge.clock import SystemClock
from bridge.errors import ConfigError, ContractError, UnknownGoalError
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thinking, Thought, Wait
from bridge.protocols import Clock
from bridge.specs import PlannerSpec
from slow_brain.recorded_thoughts import (
    GoalThoughts,
    RecordedAnswer,
    RecordedLatent,
    latent_spec,
    read_thoughts,
)

_NS_PER_S = 1_000_000_000
# How long it does not ask whether it is still wanted.
_NAP_NS = 5_000_000


class ReplayPlanner:
    """Answers the first request for a goal with the first answer recorded for it, and so on.

    A goal is found again by its words; one that was given twice has two recordings, in order. After
    the last answer it waits.

    Args:
        file: From `agent trace export ID --to thoughts`.
        keeps_times: Whether each result comes as long after the request as it did then. Off, it
            comes at once, as in virtual time, where the runtime says how long thinking takes.
        clock: For those times.
    """

    def __init__(self, *, file: str, keeps_times: bool = True, clock: Clock | None = None) -> None:
        if not file:
            raise ConfigError(
                "The planner `replay` needs a file: planner_options.file=thoughts.jsonl, "
                "made by `agent trace export ID --to thoughts`."
            )
        self._goals = read_thoughts(Path(file))
        self._spec = PlannerSpec(latent=latent_spec(self._goals))
        self._keeps_times = keeps_times
        self._clock = clock or SystemClock()
        self._goal_id = ""
        self._given: dict[str, int] = {}
        self._answers: Iterator[RecordedAnswer] = iter(())
        self._sequence = 0

    @property
    def spec(self) -> PlannerSpec:
        """No cameras; the latents of the recording, if it has any."""
        return self._spec

    def plan(self, request: PlanRequest) -> Generator[Thinking]:
        """Hand out the next recorded answer.

        Raises:
            UnknownGoalError: The goal is not in the recording.
            ContractError: The recorded planner failed here.
        """
        if request.goal.id != self._goal_id:
            self._follow(request)
        answer = next(self._answers, None)
        if answer is None:
            reason = "The recording has no more thoughts for this goal."
            yield Wait(reason=reason, plan_id=request.plan_id)
            return
        began_ns = self._clock.now_ns()
        for at_s, result in self._results(answer, request):
            yield from self._until(began_ns, at_s)
            yield result
        if answer.ended == "failed":
            raise ContractError(leaf="recorded plan", expected="one", got=answer.why)

    def _follow(self, request: PlanRequest) -> None:
        """Find the recording of the goal: the first of its words that was not used yet."""
        words = _plain(request.goal.text)
        same = [each for each in self._goals if _plain(each.goal.text) == words]
        if not same:
            raise UnknownGoalError(
                text=request.goal.text, known=[each.goal.text for each in self._goals]
            )
        count = self._given.get(words, 0)
        self._given[words], self._goal_id = count + 1, request.goal.id
        recording: GoalThoughts = same[count % len(same)]
        self._answers = iter(recording.answers)

    def _results(
        self, answer: RecordedAnswer, request: PlanRequest
    ) -> list[tuple[float, Thinking]]:
        """What came, and how long after the request [s], in order of time."""
        results: list[tuple[float, Thinking]] = [
            (
                answer.took_s if each.at_s is None else each.at_s,
                Thought(
                    field=each.field,
                    text=each.text,
                    plan_id=request.plan_id,
                    stamp_ns=request.observation.stamp_ns,
                ),
            )
            for each in answer.thoughts
        ]
        if not answer.ended:
            results.append((answer.took_s, _plan(answer, request)))
        elif answer.ended != "failed":
            reason = f"In the recording: {answer.ended}, {answer.why}"
            results.append((answer.took_s, Wait(reason=reason, plan_id=request.plan_id)))
        results += [(each.at_s, self._latent(each, request)) for each in answer.latents]
        # Sorting is stable: the plan comes before a latent of the same instant.
        return sorted(results, key=lambda result: result[0])

    def _until(self, began_ns: int, at_s: float) -> Generator[None]:
        """Let time pass in naps, between which it may be ended."""
        if not self._keeps_times:
            return
        due_ns = began_ns + round(at_s * _NS_PER_S)
        while (now_ns := self._clock.now_ns()) < due_ns:
            self._clock.sleep_until_ns(min(due_ns, now_ns + _NAP_NS))
            yield None

    def _latent(self, recorded: RecordedLatent, request: PlanRequest) -> Latent:
        self._sequence += 1
        stamp_ns = request.observation.stamp_ns
        return Latent(
            perceptual=recorded.perceptual.tokens(),
            cognitive=recorded.cognitive.tokens(),
            observation_stamp_ns=stamp_ns,
            ready_stamp_ns=stamp_ns,
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=recorded.subtask,
            episode_id=request.observation.episode_id,
        )

    def close(self) -> None:
        """Nothing to free."""


def _plan(answer: RecordedAnswer, request: PlanRequest) -> Plan:
    return Plan(
        id=request.plan_id,
        goal_id=request.goal.id,
        subtasks=tuple(
            Subtask(
                id=f"{request.plan_id}.{number}",
                text=step.text,
                done_condition=step.done_condition,
                timeout_s=step.timeout_s,
            )
            for number, step in enumerate(answer.subtasks)
        ),
        trigger=request.trigger,
        observation_stamp_ns=request.observation.stamp_ns,
        current_subtask_done=answer.current_subtask_done,
        goal_done=answer.goal_done,
        stamp_ns=request.observation.stamp_ns,
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
