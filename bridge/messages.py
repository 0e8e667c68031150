"""Every message that crosses between the brains, the robot and the people: frozen, tagged, typed.

Stamps are monotonic nanoseconds of one machine (`bridge.clock`). Arrays are read-only: a message
copies a writable array when it is made. Messages with arrays compare by identity.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import force_setattr

from bridge.arrays import AnyArray, FloatArray, ImageArray, frozen_array
from bridge.clock import seconds_between
from bridge.errors import ContractError

_FLOAT32 = np.dtype(np.float32)
_NO_FEATURES: FloatArray = frozen_array([], _FLOAT32)


class Observation(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """What the robot sensed at one instant.

    `images` are uint8 [height, width, channels]; `proprioception` and `extra` (touch, force, …)
    are named as in the robot's `ObservationSpec`, which also holds units and frames.
    """

    stamp_ns: int
    sequence: int
    images: dict[str, ImageArray]
    proprioception: dict[str, AnyArray]
    extra: dict[str, AnyArray] = {}
    episode_id: str = ""

    def __post_init__(self) -> None:
        for field in ("images", "proprioception", "extra"):
            arrays: dict[str, AnyArray] = getattr(self, field)
            force_setattr(self, field, {key: frozen_array(value) for key, value in arrays.items()})
        for camera, image in self.images.items():
            if image.dtype != "uint8" or image.ndim != 3:  # noqa: PLR2004  # height, width, channels
                raise ContractError(
                    leaf=f"observation.images.{camera}",
                    expected="uint8[height, width, channels]",
                    got=f"{image.dtype}{list(image.shape)}",
                )


class Goal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a person asked for; `source` says through which door ("cli", "http", "mqtt", …)."""

    text: str
    id: str
    source: str
    stamp_ns: int


class Remark(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a person says about the goal under way ("no, the other one"); `source` as of a goal."""

    text: str
    id: str
    source: str
    stamp_ns: int


class Thought(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One piece of the chain of thought, sent as it is produced.

    `field` is the ECoT heading it belongs to, such as "PLAN"; the pieces of a field come in order.
    """

    field: str
    text: str
    plan_id: str
    stamp_ns: int


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All that a planner's model wrote for one answer, word for word, whatever became of it."""

    text: str
    plan_id: str


class Wait(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The planner has no plan now, and that is no error: what it waits for, in words.

    What is under way goes on; if nothing is, the robot is held. It costs no budget.
    """

    reason: str
    plan_id: str


class SubtaskState(StrEnum):
    """Where a subtask stands; pending → active → done | failed | skipped are the only moves."""

    PENDING = "pending"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Subtask(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One step of a plan, in words; it fails when `timeout_s` [s] has passed since it began."""

    id: str
    text: str
    done_condition: str = ""
    timeout_s: float = 30.0
    state: SubtaskState = SubtaskState.PENDING


class SubtaskReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a monitor found about the subtask under way, and why it thinks so."""

    subtask_id: str
    state: SubtaskState
    reason: str
    stamp_ns: int


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Subtasks in order, the thoughts that led to them, and what made the planner think."""

    id: str
    goal_id: str
    subtasks: tuple[Subtask, ...]
    thoughts: tuple[Thought, ...] = ()
    trigger: str
    observation_stamp_ns: int
    current_subtask_done: bool = False
    goal_done: bool = False
    stamp_ns: int


class Latent(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """Hidden states of the planner: perceptual [N, D] and cognitive [M, D] tokens, float32.

    `observation_stamp_ns` is when the observation it was computed *from* was taken, and
    `ready_stamp_ns` when it was ready: the age counts from the first.
    """

    perceptual: FloatArray
    cognitive: FloatArray
    observation_stamp_ns: int
    ready_stamp_ns: int
    sequence: int
    plan_id: str = ""
    subtask_id: str = ""
    subtask_text: str = ""
    episode_id: str = ""

    def __post_init__(self) -> None:
        _freeze_floats(self, "perceptual", "cognitive")

    def age_s(self, now_ns: int) -> float:
        """Time since the observation behind this latent was taken [s]."""
        return seconds_between(self.observation_stamp_ns, now_ns)


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """All a planner gets to think with; `plan_id` is the id its plan and thoughts must carry.

    `finished` are the newest subtasks that were done, oldest first, and `finished_count` is how
    many there were in all: it is never less than those listed. `remarks` are what people have said
    about the goal since, the newest last. `skills` are the only subtasks that the robot knows;
    empty if it has not said. `rested_ns` [ns] is how long people have made the robot wait in this
    run: whoever measures time between two requests takes off by how much it grew.
    """

    observation: Observation
    goal: Goal
    finished: tuple[Subtask, ...] = ()
    current: Subtask | None = None
    trigger: str
    plan_id: str
    remarks: tuple[str, ...] = ()
    finished_count: int = 0
    skills: tuple[str, ...] = ()
    rested_ns: int = 0

    def __post_init__(self) -> None:
        if self.finished_count < len(self.finished):
            force_setattr(self, "finished_count", len(self.finished))


class Skills(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a robot says it can be asked for, as subtasks; empty if it does not say."""

    names: tuple[str, ...]
    stamp_ns: int


class ActionChunk(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """Actions [H, A] for the near future; row i is meant for `start_stamp_ns` + i · `step_s`.

    Units, frame, bounds and whether actions are absolute or deltas stand in the policy's
    `ActionSpec`. `latent_sequence` is -1 and `latent_age_s` inf when no latent was used;
    `gate_mean` is the mean weight in [0, 1] that fusion gave the current latent.

    A policy with such a head says how much of the subtask is done, `subtask_progress` in [0, 1],
    and how unsure it is, `uncertainty` ≥ 0 in a unit of its own; None if it cannot tell.

    `features` [F] is the network's own encoding of what it saw, for a stitcher that corrects each
    action by it; empty unless one asked for it.
    """

    actions: FloatArray
    start_stamp_ns: int
    step_s: float
    sequence: int
    observation_sequence: int
    observation_stamp_ns: int
    latent_sequence: int = -1
    latent_age_s: float = float("inf")
    subtask_id: str = ""
    gate_mean: float = 1.0
    subtask_progress: float | None = None
    uncertainty: float | None = None
    features: FloatArray = _NO_FEATURES

    def __post_init__(self) -> None:
        _freeze_floats(self, "actions", "features")


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the safety filter decided; `clipped_by` is the largest change it made [action unit].

    `changes` says how much of it which filter made: "bounds", "speed", "jerk" and so on.
    """

    kind: Literal["passed", "clipped", "vetoed"]
    reason: str = ""
    clipped_by: float = 0.0
    changes: dict[str, float] = {}


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """One action [A] that the safety filter let through, on its way to the robot."""

    action: FloatArray
    stamp_ns: int
    sequence: int
    verdict: Verdict
    chunk_sequence: int
    chunk_index: int
    goes_to: str = "robot"

    def __post_init__(self) -> None:
        _freeze_floats(self, "action")


class HoldReason(StrEnum):
    """Why the robot is held where it is."""

    NO_CHUNK = "no_chunk"
    CHUNK_EXPIRED = "chunk_expired"
    LATENT_STALE = "latent_stale"
    NO_OBSERVATION = "no_observation"
    VETOED = "vetoed"
    STOPPED = "stopped"
    CONTROLLED_STOP = "controlled_stop"
    PAUSED = "paused"


class Hold(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """The robot is held this tick, and why; `age_s` [s] is the age of what is missing or too old.

    `action` [A] is what the robot is sent meanwhile: the next target on the way to rest, within
    all limits, or the action that means no motion. None: it rests, and is left alone.
    """

    reason: HoldReason
    age_s: float = 0.0
    stamp_ns: int = 0
    action: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.action is not None:
            _freeze_floats(self, "action")


Decision = Command | Hold


class PickedAction(NamedTuple):
    """The action [A] a stitcher chose for this tick, and the chunk row it came from."""

    action: FloatArray
    chunk_sequence: int
    chunk_index: int


class MemoryView(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """What the policy may remember: L latents in order of time, the newest last.

    `perceptual` is [L, N, D], `cognitive` [L, M, D], `time_s` [L] seconds of the episode, and
    `now_s` the episode's time when it was read. `cognitive_time_s` [L] is given where the two
    streams remember different times. L may be 0; then `newest_age_s` is inf and `latent_sequence`
    -1. Subtask and sequence are those of the newest latent; the memory does not know the goal, so
    whoever runs the policy fills in `goal_text`.
    """

    perceptual: FloatArray
    cognitive: FloatArray
    time_s: FloatArray
    newest_age_s: float
    latent_sequence: int
    subtask_id: str = ""
    subtask_text: str = ""
    goal_text: str = ""
    now_s: float
    cognitive_time_s: FloatArray | None = None

    def __post_init__(self) -> None:
        _freeze_floats(self, "perceptual", "cognitive", "time_s")
        if self.cognitive_time_s is not None:
            _freeze_floats(self, "cognitive_time_s")

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been remembered yet."""
        return self.time_s.shape[0] == 0


class MemorySnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the policy remembers, kept for the case that its process falls.

    `bank` is what `Memory.snapshot` gave. The newest latent in it is named by its stamp and
    sequence, so that the one still in the mailbox is not remembered twice.
    """

    goal: Goal
    episode_id: str
    bank: bytes
    latent_stamp_ns: int
    latent_sequence: int
    stamp_ns: int


class PlanningStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the slow brain is doing, for display and traces; a planner that is restarted resumes it.

    `subtasks` carry their states; of those that are over only the newest are among them, while
    `subtasks_begun` and `subtasks_done` count all. `thoughts` are those of the plan being written.
    The active subtask began at `active_since_ns`; `replans` counts against the budget.
    `rested_ns` [ns] is how long people had made the robot wait in this run.
    """

    phase: Literal["idle", "thinking", "acting", "goal_done", "goal_failed"]
    stamp_ns: int
    goal: Goal | None = None
    plan: Plan | None = None
    subtasks: tuple[Subtask, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    reason: str = ""
    plan_latency_s: float = 0.0
    latent_age_s: float = float("inf")
    plans_made: int = 0
    replans: int = 0
    active_since_ns: int = 0
    subtasks_begun: int = 0
    subtasks_done: int = 0
    rested_ns: int = 0


class SectionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How long one section of the tick takes, since the loop began [ms]."""

    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class LoopStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How well the control loop keeps its cadence; lateness is of waking up, against the deadline.

    `missed_ticks` were skipped because the deadline had passed; `starved_ticks` had no action.
    `last_decision` is "command" or the value of a `HoldReason`. `sections` says where the time of
    a tick goes, by section, and `priority` what the kernel granted the loop. `rung` is where on
    the degradation ladder it is.
    """

    ticks: int
    target_rate_hz: float
    effective_rate_hz: float
    missed_ticks: int
    starved_ticks: int
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_p999_ms: float
    lateness_max_ms: float
    last_decision: str
    latent_age_s: float
    stamp_ns: int
    sections: dict[str, SectionFigures] = {}
    priority: str = ""
    rung: str = "fresh"


class WorldReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a simulator knows about its world: for evaluation and display, never for a brain.

    `success` is None when the simulator has no opinion.
    """

    facts: dict[str, bool | float | str]
    success: bool | None
    stamp_ns: int


class StopRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody wants the robot to stop; a latched stop stays until a person releases it."""

    reason: str
    source: str
    latched: bool
    stamp_ns: int


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Whether a person wants the robot to wait: its goal, its plan and what is done all stay.

    "paused": the robot is brought to rest and held, the planner is not asked, and no time limit
    runs on. "held": the same, but the planner may go on thinking and answer remarks. "running":
    neither. `rested_ns` [ns] is how long the robot has been made to wait in this run before
    `stamp_ns`, so that whoever reads only now and then misses no pause.
    """

    mode: Literal["paused", "held", "running"]
    reason: str
    source: str
    stamp_ns: int
    rested_ns: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the robot is to stay where it is."""
        return self.mode != "running"

    def rested_until_ns(self, now_ns: int) -> int:
        """How long the robot has been made to wait in this run, up to now [ns]."""
        return self.rested_ns + (max(0, now_ns - self.stamp_ns) if self.is_waiting else 0)


class NodeHealth(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A node's sign of life; a stamp that grows old is how a hang is seen.

    `cpu_share` is how much of one core its process took since the last one; 0 in virtual time.
    `notice` is what a person should be told once, such as what the kernel refused.
    """

    node: str
    pid: int
    steps: int
    stamp_ns: int
    ready: bool
    last_error: str = ""
    detail: str = ""
    cpu_share: float = 0.0
    notice: str = ""


# What a planner yields while it thinks. None is nothing new: a moment in which it may be ended.
Thinking = Thought | Reply | Plan | Latent | Wait | None

Message = (
    Observation
    | Goal
    | Remark
    | Thought
    | Reply
    | Wait
    | Subtask
    | SubtaskReport
    | Plan
    | Latent
    | PlanRequest
    | Skills
    | ActionChunk
    | Verdict
    | Command
    | Hold
    | MemoryView
    | MemorySnapshot
    | PlanningStatus
    | LoopStatus
    | WorldReport
    | StopRequest
    | PauseRequest
    | NodeHealth
)


def _freeze_floats(message: msgspec.Struct, *fields: str) -> None:
    for field in fields:
        given = getattr(message, field)
        frozen = frozen_array(given, _FLOAT32)
        if frozen is not given:
            force_setattr(message, field, frozen)
