"""Every protocol a plug-in can implement, on one page: few verbs, no inheritance needed.

A plug-in is a class that is called with its options as keyword arguments and then has these verbs.
It is found by entry point or by `module:Name` (`bridge.plugins`). The docstring of a verb says when
it is called, from which process, how long it may take, and what it may raise. Whatever else it
raises becomes a `PluginError` that names the plug-in and the verb, and the robot holds.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from bridge.arrays import FloatArray
from bridge.evidence import Evidence
from bridge.messages import (
    ActionChunk,
    Command,
    Hold,
    Latent,
    MemoryView,
    Observation,
    PickedAction,
    PlanRequest,
    Subtask,
    SubtaskReport,
    Thinking,
    WorldReport,
)
from bridge.specs import PlannerSpec, PolicySpec, RobotSpec

T = TypeVar("T")


@runtime_checkable
class Clock(Protocol):
    """Where time comes from; `SystemClock` in a run, `ManualClock` in tests and replay."""

    def now_ns(self) -> int:
        """Monotonic time [ns]. Never goes back."""
        ...

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return at or after the deadline [ns]; at once if it has passed."""
        ...


@runtime_checkable
class Planner(Protocol):
    """The slow brain: images and a goal in; thoughts, a plan and latents out."""

    @property
    def spec(self) -> PlannerSpec:
        """What it needs and gives. Constant; read before anything moves."""
        ...

    def plan(self, request: PlanRequest) -> Iterator[Thinking]:
        """Think, and yield results as they come: thoughts, one plan, any number of latents.

        The plan and the thoughts carry `request.plan_id`; a latent carries the stamp of
        `request.observation`. A latent may come before the text ends. None may be yielded at any
        time, as between two tokens: a planner that does is ended sooner when a person says
        something. A `Wait` in place of the plan says that there is none now, a `Reply` is the
        model's own words, for the trace.

        A plan that is refused, because the robot cannot do a step of it, is answered with a
        `PlanRefusedError` raised at its yield. A generator may catch it and yield another plan.

        Called: when a trigger fires, from the planner's process, one call at a time. May take
            seconds; between two yields it may be closed (`GeneratorExit`) because a newer request
            came, and must free what it holds in `finally`.

        Raises:
            ContractError: The model's text is not a plan; the old plan stays.
            UnknownGoalError: It has no way to plan for this goal.
            TransportError: Its server does not answer.
        """
        ...

    def close(self) -> None:
        """Free models and connections. Called once, at the end, from the planner's process."""
        ...


@runtime_checkable
class Policy(Protocol):
    """The fast brain's network: an observation and the memory in, a chunk of actions out."""

    @property
    def spec(self) -> PolicySpec:
        """What it needs and gives. Constant; read before anything moves."""
        ...

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """Choose the next `spec.horizon` actions, float32 inside the bounds of `spec.action`.

        `memory` may be empty. Row 0 is meant for the chunk's `start_stamp_ns`, normally `now_ns`.

        Called: at the policy's rate, from the policy's process; should take less than its period.

        Raises:
            ContractError: The observation lacks what the spec asks for.
        """
        ...

    def reset(self) -> None:
        """Forget the episode. Called between episodes, from the policy's process."""
        ...


@runtime_checkable
class Robot(Protocol):
    """A body, real or simulated: it shows what it senses and does one command at a time."""

    @property
    def spec(self) -> RobotSpec:
        """What it senses and obeys. Constant, and known before `connect`."""
        ...

    def connect(self) -> None:
        """Take hold of the robot. Called once, from the control process; may take seconds.

        Raises:
            RobotBusyError: Another process drives it.
            RobotFault: It does not answer.
        """
        ...

    def observe(self, now_ns: int) -> Observation:
        """The newest complete observation. Called from the control process; must not block.

        Raises:
            RobotFault: A sensor is gone.
        """
        ...

    def command(self, command: Command) -> None:
        """Carry out one action. Called at the control rate, from the control loop; < 1 ms.

        Raises:
            RobotFault: The robot refuses or does not answer.
        """
        ...

    def stop(self, reason: str) -> None:
        """Come to rest and stay. Callable any number of times, in every state; must not raise."""
        ...

    def close(self) -> None:
        """Let go of the robot. Called once, after `stop`, from the control process."""
        ...


@runtime_checkable
class SimulatedRobot(Protocol):
    """What a simulator can do beyond a robot. A class implements this beside `Robot`."""

    def advance(self, now_ns: int) -> None:
        """Let the world's time run up to `now_ns`. Called once per control tick, same process."""
        ...

    def reset(self, seed: int, options: Mapping[str, object]) -> None:
        """Begin an episode; the same seed and options give the same world.

        Raises:
            ConfigError: An option it does not know.
        """
        ...

    def report(self) -> WorldReport:
        """What is true in the world, for evaluation and display; never shown to a brain."""
        ...


@runtime_checkable
class RestorableRobot(Protocol):
    """A simulator whose world can be put back to a moment; beside `Robot` and `SimulatedRobot`.

    It is what lets a recorded run be forked: to go on from a moment of it with something changed.
    """

    def snapshot(self) -> bytes:
        """All that the future follows from: world, targets, locks, random state, times, counts.

        Called about once a second of a run that is recorded, from the control process; < 1 ms.
        """
        ...

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot: the same commands at the same times then lead to the same world.

        Called after `connect`, also of another object than the one that made the snapshot.

        Raises:
            ContractError: The bytes are no snapshot of this robot; nothing has changed.
        """
        ...


@runtime_checkable
class Memory(Protocol):
    """What the policy remembers of the planner's latents within an episode."""

    def write(self, latent: Latent) -> None:
        """Remember one latent. Called as latents arrive, from the process that owns the memory.

        Raises:
            ContractError: Wrong shape, not finite, older than the newest, or of another episode.
                The memory is then unchanged.
        """
        ...

    def read(self, now_ns: int) -> MemoryView:
        """What is remembered, in order of time. Called before each `Policy.act`; < 1 ms."""
        ...

    def snapshot(self) -> bytes:
        """The whole state, to be restored after a crash. Called about once a second."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot. Called once, when a process comes back.

        Raises:
            TransportError: The bytes are not a snapshot.
            ContractError: The snapshot is of another latent spec. The memory is unchanged.
        """
        ...

    def reset(self, *, episode_id: str, start_ns: int) -> None:
        """Forget everything and count seconds from `start_ns`. Called at each episode's start."""
        ...


@runtime_checkable
class Fusion(Protocol):
    """How remembered latents are blended into the one that the policy conditions on."""

    def fuse(
        self,
        current: FloatArray,
        remembered: FloatArray,
        current_age_s: float,
        remembered_age_s: FloatArray,
    ) -> FloatArray:
        """Blend one stream: out = g ⊙ current + (1 - g) ⊙ retrieved(remembered), [N, D].

        Called: per stream, inside `Policy.act`. Every output element lies between the smallest
        and the largest of the inputs it was blended from.

        Args:
            current: Newest latent [N, D], float32.
            remembered: Older latents [L, N, D], newest last; L may be 0.
            current_age_s: Age of `current` at this moment [s], ≥ 0.
            remembered_age_s: Ages of `remembered` [L], [s], ≥ 0.

        Raises:
            ContractError: A shape does not fit, or a value is not finite.
        """
        ...


@runtime_checkable
class ChunkStitcher(Protocol):
    """How overlapping chunks become one action per tick."""

    def push(self, chunk: ActionChunk, now_ns: int) -> None:
        """Take a new chunk. Called when the policy has published one, from the control loop."""
        ...

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """The action for this tick, or why there is none. Called each tick; < 0.1 ms.

        Never returns an action past the end of its chunk; it answers `Hold(CHUNK_EXPIRED)`.
        """
        ...

    def reset(self) -> None:
        """Forget all chunks. Called on stop, on a new episode and on a new plan if configured."""
        ...


@runtime_checkable
class ChunkConditioner(Protocol):
    """A stitcher's other half, beside the policy: it makes chunks that go on from those before.

    It lives in the policy's process, is asked instead of the policy, and knows what it published
    and how late that was. What the policy must offer for it stands in `bridge.steering`.
    """

    @property
    def facts(self) -> Mapping[str, int | float | str]:
        """What the newest chunk was conditioned on, for the trace; units in the names."""
        ...

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """As `Policy.act`."""
        ...

    def published(self, chunk: ActionChunk, now_ns: int) -> None:
        """The chunk went out at `now_ns`. Called after each `act` whose chunk was published."""
        ...

    def interrupted(self) -> None:
        """The robot is held: what was published is not being carried out. Called before `act`."""
        ...

    def reset(self) -> None:
        """As `Policy.reset`."""
        ...


@runtime_checkable
class ConditioningStitcher(ChunkStitcher, Protocol):
    """A stitcher with two halves: this one picks in the control loop, the other makes chunks.

    The plug-in is made once in each process, from the same options.
    """

    def conditioner(self, policy: Policy) -> ChunkConditioner:
        """The other half, around a policy. Called once, from the policy's process.

        Raises:
            ConfigError: The policy does not offer what this way of stitching needs.
        """
        ...


@runtime_checkable
class ObservingStitcher(ChunkStitcher, Protocol):
    """A stitcher that corrects each action by what is seen at that moment."""

    def observe(self, observation: Observation) -> None:
        """Look at the newest observation. Called each tick before `pick`, the same one again too.

        Raises:
            ContractError: It lacks what the correction needs.
        """
        ...


@runtime_checkable
class SubtaskMonitor(Protocol):
    """Who notices that a subtask is done or has failed before the planner looks again.

    One that looks at `Evidence.world` says so with a class attribute `evaluation_only = True`: what
    only a simulator can know is never taken for something that a robot has seen.
    """

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Watch this subtask from now on. Called from the planner's process."""
        ...

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Report, or None while there is nothing to say. Called at ~10 Hz; < 10 ms.

        State `DONE` or `FAILED` ends the subtask; `ACTIVE` says that it is stuck, and that the
        planner shall look again. The newest of each message may come any number of times.

        Raises:
            ContractError: The robot or the policy does not show what it needs.
        """
        ...


@runtime_checkable
class RestingMonitor(SubtaskMonitor, Protocol):
    """A monitor that measures how long a subtask has taken; without this one begins anew."""

    def rested(self, rested_ns: int) -> None:
        """The robot was made to wait for so long [ns], which shall not count."""
        ...


@runtime_checkable
class LatestValue(Protocol[T]):
    """A mailbox that holds the newest message: one writer, many readers, nobody waits."""

    def publish(self, message: T) -> None:
        """Replace the value. Called by its one writer; never blocks.

        Raises:
            TransportError: The message is larger than the mailbox, or the mailbox is closed.
        """
        ...

    def read(self) -> T | None:
        """The newest complete message, or None before the first. Never blocks, never tears."""
        ...

    @property
    def version(self) -> int:
        """How many messages were published so far; grows by one each, 0 before the first."""
        ...
