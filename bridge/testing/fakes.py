"""A planner, a policy and a robot for tests: correct by default, and faulty in one named way.

Time passes only on the clock they are given, so a hang under `ManualClock` takes no time at all.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from bridge.clock import ManualClock
from bridge.errors import ContractError, RobotFault
from bridge.messages import (
    ActionChunk,
    Command,
    Latent,
    MemoryView,
    Observation,
    Plan,
    PlanRequest,
    Subtask,
    Thought,
)
from bridge.protocols import Clock
from bridge.specs import LatentSpec, ObservationSpec, PlannerSpec, PolicySpec, RobotSpec
from bridge.testing.examples import (
    EXAMPLE_ACTION,
    EXAMPLE_LATENT,
    EXAMPLE_OBSERVATION,
    EXAMPLE_POLICY,
)

Fault = Literal["none", "late", "hang", "raise", "rubbish"]
HANG_S = 3600.0
_NS_PER_S = 1_000_000_000


class FakePlanner:
    """Thinks aloud, sends one latent and plans the subtasks it was given.

    Args:
        subtasks: Texts of the plan's subtasks.
        latent: Shape of its latents.
        clock: Where its thinking takes time.
        thinking_s: How long that is [s].
        fault: "late" takes ten times as long, "hang" an hour, "raise" raises after the first
            thought, "rubbish" sends a latent of nan and a plan for another request.
    """

    def __init__(
        self,
        subtasks: tuple[str, ...] = ("move to the cube", "close the gripper"),
        *,
        latent: LatentSpec = EXAMPLE_LATENT,
        cameras: tuple[str, ...] = ("front",),
        clock: Clock | None = None,
        thinking_s: float = 0.0,
        fault: Fault = "none",
    ) -> None:
        self.spec = PlannerSpec(latent=latent, cameras=cameras)
        self.fault: Fault = fault
        self.requests: list[PlanRequest] = []
        self.is_closed = False
        self._texts = subtasks
        self._latent = latent
        self._clock = clock or ManualClock()
        self._thinking_s = thinking_s

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """Yield a thought, a latent and the plan."""
        self.requests.append(request)
        now_ns = self._clock.now_ns()
        thought = Thought(
            field="PLAN",
            text="; ".join(self._texts),
            plan_id=request.plan_id,
            stamp_ns=now_ns,
        )
        yield thought
        if self.fault == "raise":
            raise RuntimeError("the fake planner was told to raise")
        _pass_time(self._clock, self._thinking_s, self.fault)
        latent = self._make_latent(request)
        plan = self._make_plan(request, thought)
        yield _ruined_latent(latent) if self.fault == "rubbish" else latent
        yield msgspec.structs.replace(plan, id="rubbish") if self.fault == "rubbish" else plan

    def close(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True

    def _make_latent(self, request: PlanRequest) -> Latent:
        random = np.random.default_rng(len(self.requests))
        tokens = {
            stream: random.standard_normal((count, self._latent.width), dtype=np.float32)
            for stream, count in self._latent.streams().items()
        }
        return Latent(
            perceptual=tokens["perceptual"],
            cognitive=tokens["cognitive"],
            observation_stamp_ns=request.observation.stamp_ns,
            ready_stamp_ns=max(self._clock.now_ns(), request.observation.stamp_ns),
            sequence=len(self.requests),
            plan_id=request.plan_id,
            episode_id=request.observation.episode_id,
        )

    def _make_plan(self, request: PlanRequest, thought: Thought) -> Plan:
        return Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(
                Subtask(id=f"{request.plan_id}.{number}", text=text, timeout_s=10.0)
                for number, text in enumerate(self._texts, start=1)
            ),
            thoughts=(thought,),
            trigger=request.trigger,
            observation_stamp_ns=request.observation.stamp_ns,
            stamp_ns=self._clock.now_ns(),
        )


class FakePolicy:
    """Stays in the middle of the bounds.

    Args:
        spec: What it declares.
        clock: Where `act` takes time.
        acting_s: How long it takes [s].
        fault: "late" takes ten times as long, "hang" an hour, "raise" raises, "rubbish" sends nan.
    """

    def __init__(
        self,
        spec: PolicySpec = EXAMPLE_POLICY,
        *,
        clock: Clock | None = None,
        acting_s: float = 0.0,
        fault: Fault = "none",
    ) -> None:
        self.spec = spec
        self.fault: Fault = fault
        self.memories: list[MemoryView] = []
        self._clock = clock or ManualClock()
        self._acting_s = acting_s
        self._sequence = 0

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk that does not move."""
        if self.fault == "raise":
            raise RuntimeError("the fake policy was told to raise")
        for name in self.spec.proprioception:
            if name not in observation.proprioception:
                raise ContractError(
                    leaf=f"observation.proprioception.{name}", expected="an array", got="nothing"
                )
        _pass_time(self._clock, self._acting_s, self.fault)
        self.memories.append(memory)
        self._sequence += 1
        action = self.spec.action
        middle = (np.array(action.low) + np.array(action.high)) / 2
        value = np.full(action.width, np.nan) if self.fault == "rubbish" else middle
        return ActionChunk(
            actions=np.tile(value.astype(np.float32), (self.spec.horizon, 1)),
            start_stamp_ns=now_ns,
            step_s=self.spec.step_s,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
            latent_sequence=memory.latent_sequence,
            latent_age_s=memory.newest_age_s,
            subtask_id=memory.subtask_id,
        )

    def reset(self) -> None:
        """Forget what it was shown."""
        self.memories.clear()


class FakeRobot:
    """Shows its spec's example and remembers what it was told.

    Args:
        observation: What it declares to sense.
        fault: "raise" and "hang" make `observe` and `command` raise `RobotFault` (a robot that
            does not answer), "rubbish" shows nan.
    """

    def __init__(
        self, observation: ObservationSpec = EXAMPLE_OBSERVATION, *, fault: Fault = "none"
    ) -> None:
        self.spec = RobotSpec(
            observation=observation,
            action=EXAMPLE_ACTION,
            command_rate_hz=EXAMPLE_ACTION.control_rate_hz,
            hold="stays where it is",
            skills=("put the cube into the drawer",),
        )
        self.fault: Fault = fault
        self.commands: list[Command] = []
        self.stops: list[str] = []
        self.is_connected = False
        self._sequence = 0

    def connect(self) -> None:
        """Begin to answer."""
        self.is_connected = True

    def observe(self, now_ns: int) -> Observation:
        """The example of the spec, with the next sequence number."""
        self._refuse_if_faulty()
        self._sequence += 1
        shown = msgspec.structs.replace(
            self.spec.observation.example(now_ns), sequence=self._sequence
        )
        if self.fault != "rubbish":
            return shown
        nans = {name: np.full_like(a, np.nan) for name, a in shown.proprioception.items()}
        return msgspec.structs.replace(shown, proprioception=nans)

    def command(self, command: Command) -> None:
        """Remember the command."""
        self._refuse_if_faulty()
        self.commands.append(command)

    def stop(self, reason: str) -> None:
        """Remember why."""
        self.stops.append(reason)

    def close(self) -> None:
        """Stop answering."""
        self.is_connected = False

    def _refuse_if_faulty(self) -> None:
        if self.fault in ("raise", "hang") or not self.is_connected:
            raise RobotFault("The fake robot does not answer.")


def _pass_time(clock: Clock, usual_s: float, fault: Fault) -> None:
    taken_s = {"late": 10 * usual_s, "hang": HANG_S}.get(fault, usual_s)
    clock.sleep_until_ns(clock.now_ns() + round(taken_s * _NS_PER_S))


def _ruined_latent(latent: Latent) -> Latent:
    return msgspec.structs.replace(latent, cognitive=np.full_like(latent.cognitive, np.nan))
