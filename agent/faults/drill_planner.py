"""The drill's planner: three places in order, done when seen; and it can fail in many ways."""

import random
from collections.abc import Callable, Iterator

import numpy as np
from msgspec.structs import replace

from agent.faults.drill_policy import LATENT
from agent.faults.hanging import hang_in_native_code, sleep_for
from agent.faults.orders import order_for
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought
from bridge.specs import PlannerSpec
from fast_brain.robots.point_arm import PLACES_M

CHAIN = ("reach left", "reach right", "return home")
_REACHED_M = 0.02
# Far more than there is, so that asking for it fails at once [bytes].
_TOO_MUCH = 1 << 60


class DrillPlanner:
    """Goes through the chain; a subtask is done when the tip is seen there."""

    spec = PlannerSpec(latent=LATENT)

    def __init__(self) -> None:
        self._sequence = 0

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """What is left of the chain, or what is ordered instead."""
        order = order_for("planner")
        match "" if order is None else order.kind:
            case "planner_raises":
                raise RuntimeError("drill")
            case "planner_out_of_memory":
                np.empty(_TOO_MUCH, np.uint8)
            case "planner_hung_in_native_code":
                hang_in_native_code()
            case "planner_slow" if order is not None:
                sleep_for(order.extra_s)
            case "planner_rubbish" if order is not None:
                self._sequence += 1
                yield from _rubbish(self._results(request), order.seed + self._sequence)
                return
            case _:
                pass
        yield from self._results(request)

    def close(self) -> None:
        """Nothing to free."""

    def _results(self, request: PlanRequest) -> list[Thought | Plan | Latent]:
        is_done = request.current is not None and _is_there(request, request.current.text)
        rest = CHAIN[request.finished_count + is_done :]
        seen_ns = request.observation.stamp_ns
        plan = Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{request.plan_id}.{number}", text=text)
                for number, text in enumerate(rest)
            ),
            trigger=request.trigger,
            observation_stamp_ns=seen_ns,
            current_subtask_done=is_done,
            goal_done=not rest,
            stamp_ns=seen_ns,
        )
        thought = Thought(
            field="PLAN", text="; ".join(rest), plan_id=request.plan_id, stamp_ns=seen_ns
        )
        return [thought, plan, *([self._latent(request, rest[0])] if rest else [])]

    def _latent(self, request: PlanRequest, subtask: str) -> Latent:
        self._sequence += 1
        tokens = np.full((1, LATENT.width), CHAIN.index(subtask), np.float32)
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


def _rubbish(
    results: list[Thought | Plan | Latent], seed: int
) -> Iterator[Thought | Plan | Latent]:
    """The results with one thing wrong, which is drawn from the seed."""
    wrong = random.Random(seed).choice(_WRONGS)  # noqa: S311  # Rubbish, not secrets.
    yield from wrong(results)


def _no_plan(results: list[Thought | Plan | Latent]) -> list[Thought | Plan | Latent]:
    return [result for result in results if not isinstance(result, Plan)]


def _another_plan(results: list[Thought | Plan | Latent]) -> list[Thought | Plan | Latent]:
    return [replace(r, id="another") if isinstance(r, Plan) else r for r in results]


def _empty_plan(results: list[Thought | Plan | Latent]) -> list[Thought | Plan | Latent]:
    return [replace(r, subtasks=(), goal_done=False) if isinstance(r, Plan) else r for r in results]


def _two_plans(results: list[Thought | Plan | Latent]) -> list[Thought | Plan | Latent]:
    return [*_another_plan(results), *_another_plan(results)]


def _no_message(results: list[Thought | Plan | Latent]) -> list[Thought | Plan | Latent]:
    return ["a plan in words", *results]  # pyright: ignore[reportReturnType]


_WRONGS: tuple[Callable[[list[Thought | Plan | Latent]], list[Thought | Plan | Latent]], ...] = (
    _no_plan,
    _another_plan,
    _empty_plan,
    _two_plans,
    _no_message,
)


def _is_there(request: PlanRequest, subtask: str) -> bool:
    tip = request.observation.proprioception["tip_position_in_base"]
    return bool(np.linalg.norm(tip - np.array(PLACES_M[subtask])) <= _REACHED_M)
