"""Planners for the point arm, found as `watching:WatchingPlanner` and so on."""

import threading
from collections.abc import Iterator

import numpy as np

from bridge.errors import UnknownGoalError
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought
from bridge.specs import LatentSpec, PlannerSpec
from fast_brain.robots.point_arm import PLACES_M

_SCRIPTS = {
    "reach left": ("reach left",),
    "reach both": ("reach left", "reach right", "return home"),
}
_REACHED_M = 0.02
_WIDTH = 8


class WatchingPlanner:
    """Plays a script, and calls a subtask done when it sees that the tip is there."""

    spec = PlannerSpec(latent=LatentSpec(perceptual_tokens=1, cognitive_tokens=1, width=_WIDTH))

    def __init__(self) -> None:
        self._sequence = 0

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """What is left of the script, and whether the subtask under way is done."""
        script = _SCRIPTS.get(request.goal.text)
        if script is None:
            raise UnknownGoalError(text=request.goal.text, known=_SCRIPTS)
        is_done = request.current is not None and _is_there(request, request.current.text)
        done = sum(subtask.state == "done" for subtask in request.finished) + is_done
        rest = script[done:]
        now_ns = request.observation.stamp_ns
        yield Thought(field="PLAN", text="; ".join(rest), plan_id=request.plan_id, stamp_ns=now_ns)
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{request.plan_id}.{number}", text=text)
                for number, text in enumerate(rest)
            ),
            trigger=request.trigger,
            observation_stamp_ns=now_ns,
            current_subtask_done=is_done,
            goal_done=not rest,
            stamp_ns=now_ns,
        )
        if rest:
            yield self._latent(request, rest[0])

    def close(self) -> None:
        """Nothing to free."""

    def _latent(self, request: PlanRequest, subtask: str) -> Latent:
        self._sequence += 1
        tokens = np.full((1, _WIDTH), list(PLACES_M).index(subtask), np.float32)
        return Latent(
            perceptual=tokens,
            cognitive=tokens,
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=request.observation.stamp_ns,
            sequence=self._sequence,
            plan_id=request.plan_id,
            subtask_text=subtask,
            episode_id=request.observation.episode_id,
        )


class RaisingPlanner(WatchingPlanner):
    """Raises whenever it is asked."""

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Fail."""
        raise RuntimeError("the model is gone")


class HangingPlanner(WatchingPlanner):
    """Begins to think and never comes back, within any test's patience."""

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """One thought, then nothing."""
        yield Thought(field="PLAN", text="…", plan_id=request.plan_id, stamp_ns=0)
        threading.Event().wait(600)


def _is_there(request: PlanRequest, subtask: str) -> bool:
    tip = request.observation.proprioception["tip_position_in_base"]
    return bool(np.linalg.norm(tip - np.array(PLACES_M[subtask])) <= _REACHED_M)
