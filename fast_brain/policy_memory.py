"""What the policy is told: memory of the planner's latents, and the words of the task.

Sans I/O: it is given the newest messages and keeps the books. A new goal, or a new episode of the
robot, begins a new memory; a latent left over from the goal before is not of it.
"""

import numpy as np
from msgspec.structs import replace

from bridge.clock import seconds_between
from bridge.messages import (
    Goal,
    Latent,
    MemorySnapshot,
    MemoryView,
    Observation,
    PlanningStatus,
    Subtask,
    SubtaskState,
)
from bridge.protocols import Memory
from fast_brain.ladder import Ladder, LadderRules, Rung

_NOTHING = np.zeros((0, 0, 0), np.float32)
_NO_TIMES = np.zeros(0, np.float32)


class PolicyMemory:
    """Feeds the memory plug-in and reads it as the policy is to see it.

    Args:
        memory: Where latents are remembered; None for a policy that does not look at latents.
        rules: From which age of the newest latent the policy gets words only, and how soon it is
            given latents again.
    """

    def __init__(self, memory: Memory | None, *, rules: LadderRules | None = None) -> None:
        self._memory = memory
        self._ladder = Ladder(rules or LadderRules())
        self._observation_sequence = 0
        self._goal: Goal | None = None
        self._episode_id = ""
        self._newest: Latent | None = None
        # Stamp and sequence of the newest latent inside a memory that was restored.
        self._restored = (-1, -1)
        self._has_written = False
        self._has_news = False
        self._has_just_begun = False
        self._read_last: MemoryView | None = None

    @property
    def read_last(self) -> MemoryView | None:
        """What `read` gave the last time; None before."""
        return self._read_last

    @property
    def goal(self) -> Goal | None:
        """The goal that the memory is of."""
        return self._goal

    @property
    def has_news(self) -> bool:
        """Whether something was remembered since the last snapshot."""
        return self._has_news

    def snapshot(self, now_ns: int) -> MemorySnapshot | None:
        """The whole state; None when nothing is remembered."""
        memory, goal, newest = self._memory, self._goal, self._newest
        if memory is None or goal is None or newest is None:
            return None
        self._has_news = False
        return MemorySnapshot(
            goal=goal,
            episode_id=self._episode_id,
            bank=memory.snapshot(),
            latent_stamp_ns=newest.observation_stamp_ns,
            latent_sequence=newest.sequence,
            stamp_ns=now_ns,
        )

    def restore(self, kept: MemorySnapshot) -> None:
        """Go back to a snapshot; nothing happens without a memory.

        Raises:
            TransportError: The bytes are not a snapshot. Nothing is changed then, nor below.
            ContractError: It is of a memory of other latents, or of a larger one.
        """
        if self._memory is None:
            return
        self._memory.restore(kept.bank)
        self._goal, self._episode_id = kept.goal, kept.episode_id
        self._restored = (kept.latent_stamp_ns, kept.latent_sequence)
        self._has_written = True

    def begin_if_new(self, goal: Goal, observation: Observation) -> bool:
        """Forget everything if the goal or the robot's episode is another; say whether it was."""
        self._observation_sequence = observation.sequence
        is_same_goal = self._goal is not None and goal.id == self._goal.id
        if is_same_goal and observation.episode_id == self._episode_id:
            return False
        self._goal, self._episode_id = goal, observation.episode_id
        self._has_written, self._has_just_begun = False, True
        self._ladder.reset()
        if self._memory is not None:
            self._memory.reset(episode_id=self._episode_id, start_ns=goal.stamp_ns)
        return True

    def write(self, latent: Latent | None, planning: PlanningStatus | None) -> None:
        """Remember a latent, unless it was seen before or belongs to another goal or episode.

        Raises:
            ContractError: It does not fit; the memory is unchanged, and it is not tried again.
        """
        memory, goal = self._memory, self._goal
        may_be_left_over, self._has_just_begun = self._has_just_begun, False
        if latent is None or latent is self._newest or memory is None or goal is None:
            return
        self._newest = latent
        is_restored = (latent.observation_stamp_ns, latent.sequence) == self._restored
        if latent.episode_id != self._episode_id or is_restored:
            return
        if may_be_left_over and not _is_of(latent, goal, planning):
            return
        if not self._has_written:
            # The planner may have looked a moment before the goal was stated.
            start_ns = min(goal.stamp_ns, latent.observation_stamp_ns)
            memory.reset(episode_id=self._episode_id, start_ns=start_ns)
        memory.write(latent)
        self._has_written = self._has_news = True

    @property
    def rung(self) -> Rung:
        """Where on the degradation ladder what was read last is."""
        return self._ladder.rung

    def read(self, now_ns: int) -> MemoryView:
        """What is remembered now, without the words; empty without a memory."""
        read = self._read_last = self._read(now_ns)
        self._ladder.step(
            now_ns,
            latent_age_s=read.newest_age_s,
            observation_sequence=self._observation_sequence,
        )
        return read

    def view(self, read: MemoryView, subtask: Subtask | None) -> MemoryView:
        """What was read as the policy is to see it: with the words, and without stale latents."""
        return replace(
            _without_latents(read) if self._ladder.rung >= Rung.TEXT_ONLY else read,
            goal_text="" if self._goal is None else self._goal.text,
            subtask_id="" if subtask is None else subtask.id,
            subtask_text="" if subtask is None else subtask.text,
        )

    def _read(self, now_ns: int) -> MemoryView:
        if self._memory is not None:
            return self._memory.read(now_ns)
        start_ns = now_ns if self._goal is None else self._goal.stamp_ns
        return _empty_view(seconds_between(start_ns, now_ns))


def active_subtask(planning: PlanningStatus | None) -> Subtask | None:
    """The subtask under way, if the planner wants the robot to move at all."""
    if planning is None or planning.phase in ("idle", "goal_done", "goal_failed"):
        return None
    active = (task for task in planning.subtasks if task.state is SubtaskState.ACTIVE)
    return next(active, None)


def _is_of(latent: Latent, goal: Goal, planning: PlanningStatus | None) -> bool:
    """Whether a latent that was there when the goal came is of that goal; by its plan, or time."""
    plan = None if planning is None else planning.plan
    if plan is not None and plan.id == latent.plan_id:
        return plan.goal_id == goal.id
    return latent.ready_stamp_ns >= goal.stamp_ns


def _empty_view(now_s: float) -> MemoryView:
    return MemoryView(
        perceptual=_NOTHING,
        cognitive=_NOTHING,
        time_s=_NO_TIMES,
        newest_age_s=float("inf"),
        latent_sequence=-1,
        now_s=now_s,
    )


def _without_latents(view: MemoryView) -> MemoryView:
    return replace(
        view,
        perceptual=view.perceptual[:0],
        cognitive=view.cognitive[:0],
        time_s=view.time_s[:0],
        cognitive_time_s=None,
        newest_age_s=float("inf"),
        latent_sequence=-1,
    )
