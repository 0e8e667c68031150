"""The nodes of a measured agent: the real control loop with a log, and a planner that is busy."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.support.loop_times import TickLog
from bridge.messages import Latent, Plan, PlanRequest, Subtask, Thought
from bridge.nodes import Mailboxes
from bridge.protocols import Clock
from bridge.specs import PlannerSpec
from fast_brain.config import FastBrainNodeConfig
from fast_brain.control_node import ControlNode
from fast_brain.rate_keeper import RateKeeper

TIMED_CONTROL = f"{__name__}:TimedControlNode"
BUSY_PLANNER = f"{__name__}:BusyPlanner"
_MOST_TOKENS = 160
_IMAGE_SHAPE = (96, 96, 3)


class TimedControl(NamedTuple):
    """Settings of a timed control node."""

    control: FastBrainNodeConfig
    log_path: Path
    most_ticks: int


class TimedControlNode:
    """The control node as it is, and when each of its ticks woke and ended."""

    def __init__(
        self, *, config: TimedControl, inputs: Mailboxes, outputs: Mailboxes, clock: Clock
    ) -> None:
        self._node = ControlNode(config=config.control, inputs=inputs, outputs=outputs, clock=clock)
        self._clock = clock
        self._path = config.log_path
        self._log = TickLog(config.most_ticks)
        # The same grid as the driver's and the node's own: it begins with the first beat.
        self._keeper = RateKeeper(config.control.fast_brain.control_rate_hz)

    def start(self) -> None:
        """Start the node."""
        self._node.start()

    def step(self, now_ns: int) -> None:
        """One tick, written down."""
        skipped = self._keeper.beat(now_ns)
        self._node.step(now_ns)
        self._log.note(now_ns, self._keeper.late_ns, self._clock.now_ns(), skipped)

    def close(self) -> None:
        """Write the log."""
        self._node.close()
        self._log.save(self._path)


class BusyPlanner:
    """The shipped planner's model, writing plans of random pictures for `generate_s` [s] a time.

    Each time it first names a subtask, so that the policy has something to do meanwhile.
    """

    spec = PlannerSpec()

    def __init__(self, *, generate_s: float = 0.0) -> None:
        self._generate_s = generate_s
        self._write = plan_writer()

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """A plan at once, then thoughts without pause."""
        # A robot that declares skills takes no other step.
        step = next(iter(request.skills), "stay")
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=(Subtask(id="1", text=step, timeout_s=1e9),),
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            stamp_ns=request.observation.stamp_ns,
        )
        end_s = time.monotonic() + self._generate_s
        while time.monotonic() < end_s:
            self._write()
            yield Thought(field="PLAN", text=".", plan_id=request.plan_id, stamp_ns=0)

    def close(self) -> None:
        """Nothing to free."""


def plan_writer() -> Any:  # noqa: ANN401  # A function without arguments.
    """Load the shipped planner's model; each call writes one plan of it, on all cores."""
    import torch

    from benchmarks.support.machine import usable_cores
    from slow_brain.checkpoint import load
    from slow_brain.decoding import TextDecoder
    from slow_brain.engines.model_files import SHIPPED_WEIGHTS
    from slow_brain.prompt import planner_prompt

    decoder = TextDecoder(*load(SHIPPED_WEIGHTS))
    prompt = planner_prompt("put the cube in the drawer, then close and lock it", [], None)
    random = np.random.default_rng(0)

    def write() -> None:
        # Again each time: whoever runs a node's process limits it to one thread.
        torch.set_num_threads(usable_cores())
        image = random.integers(0, 255, _IMAGE_SHAPE, np.uint8)
        for _ in decoder.decode(prompt, image, _MOST_TOKENS):
            pass

    return write
