"""Two planners raced, the first valid plan taken: `examples.racing_planner:RacingPlanner`.

A fast and rough one beside a slow and careful one, or the same model on two servers. The robot gets
whichever answers first; the other is cut short at its next yield, and sits out races until then.
"""

import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bridge import (
    ConfigError,
    ContractError,
    Latent,
    Plan,
    Planner,
    PlannerSpec,
    PlanRequest,
    Reply,
    Thought,
    Wait,
)
from bridge.plugins import make_plugin

Result = Thought | Reply | Plan | Latent | Wait


class Step(NamedTuple):
    """What a lane has produced: a result, an error, or None at its end."""

    lane: "Lane"
    result: Result | Exception | None


class Lane:
    """One planner and its thread; runs one race at a time."""

    def __init__(self, name: str, planner: Planner) -> None:
        self.name, self.planner = name, planner
        self._thread: threading.Thread | None = None

    @property
    def is_free(self) -> bool:
        """Whether it is not still busy with a race that is over."""
        return self._thread is None or not self._thread.is_alive()

    def start(
        self, request: PlanRequest, steps: "queue.SimpleQueue[Step]", over: threading.Event
    ) -> None:
        """Begin to think."""
        self._thread = threading.Thread(
            target=self._think, args=(request, steps, over), name=self.name, daemon=True
        )
        self._thread.start()

    def _think(
        self, request: PlanRequest, steps: "queue.SimpleQueue[Step]", over: threading.Event
    ) -> None:
        try:
            for result in self.planner.plan(request):
                # None is a planner's pause for breath.
                if result is not None:
                    steps.put(Step(self, result))
                if over.is_set():
                    break
        except Exception as error:  # noqa: BLE001  # Told: it is the other one's chance.
            steps.put(Step(self, error))
        else:
            steps.put(Step(self, None))

    def close(self, timeout_s: float) -> None:
        """Free the planner; one that never comes back is left to end with the process."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self.is_free:
            self.planner.close()


class RacingPlanner:
    """Asks several planners at once, and goes with the first valid plan.

    Args:
        planners: For each, `kind` as in `slow_brain.planner`, and `options`.
        timeout_s: How long a race may last [s].
    """

    def __init__(self, *, planners: Sequence[Mapping[str, Any]], timeout_s: float = 30.0) -> None:
        self._lanes = [
            Lane(
                f"{number}. {each['kind']}",
                make_plugin("planner", each["kind"], each.get("options")),
            )
            for number, each in enumerate(planners, start=1)
        ]
        self._timeout_s = timeout_s
        specs = [lane.planner.spec for lane in self._lanes]
        if len({repr(spec.latent) for spec in specs}) != 1:
            raise ConfigError(f"Only planners with the same latents can race, not {specs}.")
        cameras = dict.fromkeys(camera for spec in specs for camera in spec.cameras)
        self.spec = PlannerSpec(latent=specs[0].latent, cameras=tuple(cameras))

    def plan(self, request: PlanRequest) -> Iterator[Result]:
        """Yield what the winner thinks, from its first thought on.

        Raises:
            ContractError: Nobody came to a valid plan in time; says what each did instead.
        """
        steps, over = queue.SimpleQueue[Step](), threading.Event()
        racing = [lane for lane in self._lanes if lane.is_free]
        if not racing:
            busy = "all busy with a race that is over"
            raise ContractError(leaf="race", expected="a planner that is free", got=busy)
        for lane in racing:
            lane.start(request, steps, over)
        try:
            yield from self._follow(request, steps, racing)
        finally:
            over.set()

    def _follow(
        self, request: PlanRequest, steps: "queue.SimpleQueue[Step]", racing: list[Lane]
    ) -> Iterator[Result]:
        said: dict[str, list[Result]] = {lane.name: [] for lane in racing}
        ended: dict[str, str] = {}
        winner: Lane | None = None
        for lane, result in self._steps(steps):
            if winner is None and isinstance(result, Result):
                said[lane.name].append(result)
                if isinstance(result, Plan) and _is_valid(result, request):
                    winner = lane
                    yield from said[lane.name]
            elif lane is winner and isinstance(result, Result):
                yield result
            elif lane is winner:
                return
            elif winner is None:
                ended[lane.name] = f"{result}" if result else "no valid plan"
                if len(ended) == len(racing):
                    break
        if winner is None:
            got = ended or f"nothing within {self._timeout_s:g} s"
            raise ContractError(leaf="race", expected="a valid plan", got=got)

    def _steps(self, steps: "queue.SimpleQueue[Step]") -> Iterator[Step]:
        """What the lanes produce, until the time is over."""
        end_s = time.monotonic() + self._timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                yield steps.get(timeout=left_s)
            except queue.Empty:
                return

    def close(self) -> None:
        """Free both planners."""
        for lane in self._lanes:
            lane.close(timeout_s=1.0)


def _is_valid(plan: Plan, request: PlanRequest) -> bool:
    has_ids = (plan.id, plan.goal_id) == (request.plan_id, request.goal.id)
    return has_ids and bool(plan.subtasks or plan.goal_done)
