"""The control loop's thinking: what to do this tick. No clock, no mailbox, no I/O inside.

Expected trouble is a value, `Hold(reason)`: the robot keeps its last target. There is no branch in
which trouble becomes an action.
"""

import math

from bridge.clock import seconds_between
from bridge.messages import (
    ActionChunk,
    Command,
    Decision,
    Hold,
    HoldReason,
    Observation,
    StopRequest,
    Verdict,
)
from bridge.protocols import ChunkStitcher, ObservingStitcher
from fast_brain.safety import SafetyFilter
from fast_brain.section_timer import NO_SECTIONS, Sections

# An observation must be this much younger than a command to show the command's target [s].
_TARGET_SHOWS_AFTER_S = 0.05


class ControlLoop:
    """Turns the newest observation and chunk into one command per tick, or holds.

    Args:
        stitcher: Makes one action out of the chunks.
        safety: Has the last word.
        hold_after_s: The latent behind the chunk may be this old [s].
        observation_limit_s: The observation may be this old [s].
        target_name: Proprioception that says the target the robot has now [A], in the action's
            own units; the speed limit counts from it whenever the robot was not being commanded.
        sections: Told when picking and filtering are over, for the accounting.
    """

    def __init__(
        self,
        stitcher: ChunkStitcher,
        safety: SafetyFilter,
        *,
        hold_after_s: float = 10.0,
        observation_limit_s: float = 0.5,
        target_name: str = "target_pose_in_base",
        sections: Sections = NO_SECTIONS,
    ) -> None:
        self._stitcher = stitcher
        self._observer = stitcher if isinstance(stitcher, ObservingStitcher) else None
        self._safety = safety
        self._hold_after_s = hold_after_s
        self._observation_limit_s = observation_limit_s
        self._target_name = target_name
        self._sections = sections
        self._chunk: ActionChunk | None = None
        self._chunk_trouble = ""
        self._episode_id = ""
        self._stop: StopRequest | None = None
        self._not_before_ns = 0
        self._is_commanding = False
        self._commanded_ns: int | None = None
        self._sequence = 0
        self.verdict = Verdict(kind="passed")

    def tick(
        self,
        now_ns: int,
        observation: Observation | None,
        chunk: ActionChunk | None,
        stop: StopRequest | None = None,
    ) -> Decision:
        """Decide what the robot does now.

        Args:
            now_ns: The time of this tick.
            observation: The newest there is.
            chunk: The newest there is; the same one again is no news.
            stop: The newest request. While it is latched the answer is to hold; one that is not
                latched drops what was under way, and chunks begun after it move the robot again.

        Returns:
            A command that passed the safety filter, or why the robot is held.
        """
        self._obey(stop)
        self._notice_episode(observation)
        self._take(chunk, now_ns)
        decision = self._hold_before_picking(now_ns, observation) or self._pick(now_ns, observation)
        self._is_commanding = isinstance(decision, Command)
        return decision

    def latent_age_s(self, now_ns: int) -> float:
        """How old the latent behind the newest chunk is by now [s]; inf if it used none."""
        chunk = self._chunk
        if chunk is None or not math.isfinite(chunk.latent_age_s):
            return math.inf
        return chunk.latent_age_s + max(0.0, seconds_between(chunk.observation_stamp_ns, now_ns))

    def _obey(self, stop: StopRequest | None) -> None:
        if stop is None or stop is self._stop:
            return
        self._stop = stop
        self._drop(stop.stamp_ns)

    def _notice_episode(self, observation: Observation | None) -> None:
        """In a new episode the old chunks mean nothing."""
        if observation is None or observation.episode_id == self._episode_id:
            return
        self._episode_id = observation.episode_id
        self._drop(observation.stamp_ns)
        # What was sent belongs to the old episode; only the new one's reading counts.
        self._commanded_ns = None

    def _drop(self, stamp_ns: int) -> None:
        """Forget what is under way, and refuse chunks made from what was seen before."""
        self._not_before_ns = stamp_ns
        self._stitcher.reset()
        self._is_commanding = False

    def _take(self, chunk: ActionChunk | None, now_ns: int) -> None:
        if chunk is None or _is_same(chunk, self._chunk):
            return
        self._chunk = chunk
        self._chunk_trouble = self._safety.check_chunk(chunk)
        if self._chunk_trouble:
            # Newest wins even so: a policy that has just sent rubbish is not trusted with the rest.
            self._stitcher.reset()
            self.verdict = Verdict(kind="vetoed", reason=self._chunk_trouble)
        elif chunk.observation_stamp_ns >= self._not_before_ns:
            self._stitcher.push(chunk, now_ns)

    def _hold_before_picking(self, now_ns: int, observation: Observation | None) -> Hold | None:
        if self._stop is not None and self._stop.latched:
            return _hold(HoldReason.STOPPED, now_ns, self._stop.stamp_ns)
        if observation is None:
            return Hold(reason=HoldReason.NO_OBSERVATION, age_s=math.inf, stamp_ns=now_ns)
        if seconds_between(observation.stamp_ns, now_ns) > self._observation_limit_s:
            return _hold(HoldReason.NO_OBSERVATION, now_ns, observation.stamp_ns)
        if self._chunk_trouble:
            return Hold(reason=HoldReason.VETOED, stamp_ns=now_ns)
        age_s = self.latent_age_s(now_ns)
        if math.isfinite(age_s) and age_s > self._hold_after_s:
            return Hold(reason=HoldReason.LATENT_STALE, age_s=age_s, stamp_ns=now_ns)
        return None

    def _pick(self, now_ns: int, observation: Observation | None) -> Decision:
        if self._observer is not None and observation is not None:
            self._observer.observe(observation)
        picked = self._stitcher.pick(now_ns)
        self._sections.done("pick")
        if isinstance(picked, Hold):
            return picked
        if not self._is_commanding:
            self._start_from(observation)
        action, self.verdict = self._safety.filter(picked.action)
        self._sections.done("filter")
        if action is None:
            return Hold(reason=HoldReason.VETOED, stamp_ns=now_ns)
        self._sequence += 1
        self._commanded_ns = now_ns
        return Command(
            action=action,
            stamp_ns=now_ns,
            sequence=self._sequence,
            verdict=self.verdict,
            chunk_sequence=picked.chunk_sequence,
            chunk_index=picked.chunk_index,
        )

    def _start_from(self, observation: Observation | None) -> None:
        """After a pause the robot may stand elsewhere than where it was last sent."""
        target = None if observation is None else observation.proprioception.get(self._target_name)
        if observation is None or target is None:
            return
        sent_ns = self._commanded_ns
        # An older one shows a target from before the last command: worse than what we know.
        if (
            sent_ns is None
            or seconds_between(sent_ns, observation.stamp_ns) >= _TARGET_SHOWS_AFTER_S
        ):
            self._safety.start_from(target)


def _is_same(chunk: ActionChunk, other: ActionChunk | None) -> bool:
    """Whether two are the same message; a restarted policy begins to count anew."""
    return other is not None and (chunk.sequence, chunk.start_stamp_ns) == (
        other.sequence,
        other.start_stamp_ns,
    )


def _hold(reason: HoldReason, now_ns: int, since_ns: int) -> Hold:
    return Hold(reason=reason, age_s=seconds_between(since_ns, now_ns), stamp_ns=now_ns)
