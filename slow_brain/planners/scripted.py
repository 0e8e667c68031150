"""Fixed subtasks for known goals: the planner to test with, and the example to copy."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bridge.clock import seconds_between
from bridge.errors import ConfigError, UnknownGoalError
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought
from bridge.specs import LatentSpec, PlannerSpec

DEFAULT_SCRIPTS = {
    "reach left": ["reach left"],
    "reach right": ["reach right"],
    "return home": ["return home"],
    "reach both": ["reach left", "reach right", "return home"],
}


class ScriptedPlanner:
    """Plays the script of a goal; each subtask is called done after a fixed time.

    The latent is one-hot: the number of the subtask among all that the scripts name.

    Args:
        scripts: Subtasks in order, by the text of the goal (lower case).
        subtask_duration_s: Time of the observations after which a subtask is called done [s].
        latent_width: Width of the latent; at least the number of different subtasks.
    """

    def __init__(
        self,
        *,
        scripts: Mapping[str, Sequence[str]] | None = None,
        subtask_duration_s: float = 2.0,
        latent_width: int = 8,
    ) -> None:
        self._scripts = dict(DEFAULT_SCRIPTS if scripts is None else scripts)
        self._names = list(dict.fromkeys(n for names in self._scripts.values() for n in names))
        if latent_width < len(self._names):
            raise ConfigError(
                f"latent_width is {latent_width}, but the scripts name {len(self._names)} subtasks"
            )
        self._duration_s = subtask_duration_s
        self._sequence = 0
        self._current = ""
        self._since_ns = 0
        self._width = latent_width
        self._spec = PlannerSpec(
            latent=LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=latent_width)
        )

    @property
    def spec(self) -> PlannerSpec:
        """Needs no camera; one token of each stream."""
        return self._spec

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Say the script's rest, and whether the subtask under way has had its time.

        Raises:
            UnknownGoalError: There is no script for the goal.
        """
        script = self._scripts.get(request.goal.text.strip().lower())
        if script is None:
            raise UnknownGoalError(text=request.goal.text, known=self._scripts)
        is_done = self._has_had_its_time(request)
        rest = list(script[request.finished_count + is_done :])
        yield self._thought(request, "PLAN", "; ".join(rest) or "nothing")
        yield self._thought(request, "DONE", "yes" if is_done else "no")
        yield self._thought(request, "SUBTASK", rest[0] if rest else "nothing")
        yield self._plan(request, rest, is_done=is_done)
        if rest:
            yield self._latent(request, rest[0])

    def _has_had_its_time(self, request: PlanRequest) -> bool:
        # A pause is no time of the subtask's.
        now_ns = request.observation.stamp_ns - request.rested_ns
        if request.current is None:
            return False
        if request.current.id != self._current:
            self._current, self._since_ns = request.current.id, now_ns
        return seconds_between(self._since_ns, now_ns) >= self._duration_s

    @staticmethod
    def _thought(request: PlanRequest, field: str, text: str) -> Thought:
        stamp_ns = request.observation.stamp_ns
        return Thought(field=field, text=text, plan_id=request.plan_id, stamp_ns=stamp_ns)

    @staticmethod
    def _plan(request: PlanRequest, rest: list[str], *, is_done: bool) -> Plan:
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{request.plan_id}.{number}", text=text)
                for number, text in enumerate(rest)
            ),
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            current_subtask_done=is_done,
            goal_done=not rest,
            stamp_ns=request.observation.stamp_ns,
        )

    def _latent(self, request: PlanRequest, subtask: str) -> Latent:
        hot = np.zeros((1, self._width), np.float32)
        hot[0, self._names.index(subtask)] = 1.0
        self._sequence += 1
        return Latent(
            perceptual=hot,
            cognitive=hot,
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=request.observation.stamp_ns,
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=subtask,
            episode_id=request.observation.episode_id,
        )

    def close(self) -> None:
        """Nothing to free."""
