"""The control loop's thinking: what to do this tick. No clock, no mailbox, no I/O inside.

Expected trouble is a value, `Hold(reason)`: the robot is brought to rest within its limits and
stays. There is no branch in which trouble becomes an action.
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
    PauseRequest,
    StopRequest,
    Verdict,
)
from bridge.protocols import ChunkStitcher, ObservingStitcher
from fast_brain.holding import Holder
from fast_brain.ladder import Ladder, LadderRules, Rung
from fast_brain.safety import SafetyFilter
from fast_brain.section_timer import NO_SECTIONS, Sections

# An observation must be this much younger than a command to show the command's target [s].
_TARGET_SHOWS_AFTER_S = 0.05
_NS_PER_S = 1_000_000_000


class ControlLoop:
    """Turns the newest observation and chunk into one command per tick, or holds.

    Args:
        stitcher: Makes one action out of the chunks.
        safety: Has the last word; its emergency stop is the one that is obeyed.
        rules: Of the degradation ladder.
        rest_action: What the robot is sent while it is held [A], as in its `RobotSpec`.
        target_name: Proprioception that says the target the robot has now [A], in the action's
            own units; motion counts from it whenever the robot was not being commanded.
        sections: Is told when a section of the tick is over.
    """

    def __init__(
        self,
        stitcher: ChunkStitcher,
        safety: SafetyFilter,
        *,
        rules: LadderRules | None = None,
        rest_action: tuple[float, ...] | None = None,
        target_name: str = "target_pose_in_base",
        sections: Sections = NO_SECTIONS,
    ) -> None:
        self._stitcher = stitcher
        self._observer = stitcher if isinstance(stitcher, ObservingStitcher) else None
        self._safety = safety
        rules = rules or LadderRules()
        self._ladder = Ladder(rules)
        self._hold_after_s = rules.hold_after_s
        self._holder = Holder(safety, rest_action)
        self._target_name = target_name
        self._sections = sections
        self._chunk: ActionChunk | None = None
        self._chunk_trouble = ""
        self._chunk_ends_ns = 0
        self._episode_id = ""
        self._not_before_ns = 0
        self._is_commanding = False
        self._pause: PauseRequest | None = None
        self._sent_ns: int | None = None
        self._sequence = 0
        self.verdict = Verdict(kind="passed")

    @property
    def ladder(self) -> Ladder:
        """Where on the degradation ladder the loop is, and why."""
        return self._ladder

    def tick(
        self,
        now_ns: int,
        observation: Observation | None,
        chunk: ActionChunk | None,
        *stops: StopRequest | None,
        pause: PauseRequest | None = None,
    ) -> Decision:
        """Decide what the robot does now.

        Args:
            now_ns: The time of this tick.
            observation: The newest there is.
            chunk: The newest there is; the same one again is no news.
            stops: The newest request of each that may stop the robot. While one is latched the
                answer is to hold; one that is not latched drops what was under way, and chunks
                begun after it move the robot again.
            pause: The newest there is. While it asks the robot to wait the answer is to hold, with
                what brings it to rest; afterwards only chunks made from what is seen then count.

        Returns:
            A command that passed the safety filter, or why the robot is held.
        """
        self._obey(stops)
        self._heed(pause)
        self._notice_episode(observation)
        self._take(chunk, now_ns)
        rung = self._step_ladder(now_ns, observation)
        reason = self._hold_before_picking(now_ns, observation, rung)
        decision = reason or self._pick(now_ns, observation)
        if isinstance(decision, Hold):
            decision = self._holder.hold(decision)
            if decision.action is not None:
                self._sent_ns = now_ns
        self._is_commanding = isinstance(decision, Command)
        return decision

    def latent_age_s(self, now_ns: int) -> float:
        """How old the latent behind the newest chunk is by now [s]; inf if it used none."""
        chunk = self._chunk
        if chunk is None or not math.isfinite(chunk.latent_age_s):
            return math.inf
        return chunk.latent_age_s + max(0.0, seconds_between(chunk.observation_stamp_ns, now_ns))

    def _obey(self, stops: tuple[StopRequest | None, ...]) -> None:
        latch = self._safety.emergency_stop
        if latch.notice(stops) and latch.request is not None:
            self._drop(latch.request.stamp_ns)

    def _heed(self, pause: PauseRequest | None) -> None:
        if pause is None or pause == self._pause:
            return
        was_waiting = self._pause is not None and self._pause.is_waiting
        self._pause = pause
        if pause.is_waiting != was_waiting:
            # A stop that is newer goes on counting.
            self._drop(max(self._not_before_ns, pause.stamp_ns))

    def _notice_episode(self, observation: Observation | None) -> None:
        """In a new episode the old chunks mean nothing."""
        if observation is None or observation.episode_id == self._episode_id:
            return
        self._episode_id = observation.episode_id
        self._drop(observation.stamp_ns)
        self._ladder.reset()
        # What was sent belongs to the old episode; only the new one's reading counts.
        self._safety.halt()
        self._sent_ns = None

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
            return
        rows = chunk.actions.shape[0] - 1
        self._chunk_ends_ns = chunk.start_stamp_ns + round(rows * chunk.step_s * _NS_PER_S)
        if chunk.observation_stamp_ns >= self._not_before_ns:
            self._stitcher.push(chunk, now_ns)

    def _step_ladder(self, now_ns: int, observation: Observation | None) -> Rung:
        """Ages count while there is something to play: a robot without a task is not degraded."""
        if observation is None:
            return self._ladder.rung
        is_playing = now_ns <= self._chunk_ends_ns
        rung = self._ladder.step(
            now_ns,
            latent_age_s=self.latent_age_s(now_ns) if is_playing else math.inf,
            observation_age_s=seconds_between(observation.stamp_ns, now_ns),
            observation_sequence=observation.sequence,
        )
        if rung is Rung.STOP:
            self._drop(now_ns)
        return rung

    def _hold_before_picking(
        self, now_ns: int, observation: Observation | None, rung: Rung
    ) -> Hold | None:
        stop = self._safety.emergency_stop
        if stop.is_latched and stop.request is not None:
            return _hold(HoldReason.STOPPED, now_ns, stop.request.stamp_ns)
        if self._pause is not None and self._pause.is_waiting:
            return _hold(HoldReason.PAUSED, now_ns, self._pause.stamp_ns)
        if observation is None:
            return Hold(reason=HoldReason.NO_OBSERVATION, age_s=math.inf, stamp_ns=now_ns)
        if rung >= Rung.HOLD:
            return self._hold_of(rung, now_ns, observation)
        if self._chunk_trouble:
            return Hold(reason=HoldReason.VETOED, stamp_ns=now_ns)
        return None

    def _hold_of(self, rung: Rung, now_ns: int, observation: Observation) -> Hold:
        """The hold that this rung stands for; its age is that of what was too old."""
        is_latent = self._ladder.cause == "latent"
        age_s = self.latent_age_s(now_ns)
        if not is_latent:
            age_s = seconds_between(observation.stamp_ns, now_ns)
        reason = HoldReason.LATENT_STALE if is_latent else HoldReason.NO_OBSERVATION
        if rung is Rung.STOP:
            reason = HoldReason.CONTROLLED_STOP
        return Hold(reason=reason, age_s=age_s, stamp_ns=now_ns)

    def _pick(self, now_ns: int, observation: Observation | None) -> Decision:
        if self._observer is not None and observation is not None:
            self._observer.observe(observation)
        picked = self._stitcher.pick(now_ns)
        self._sections.done("pick")
        if isinstance(picked, Hold):
            return self._expired_by_age(picked, now_ns)
        if observation is not None:
            self._safety.feel(observation.proprioception)
            self._start_from(observation)
        action, self.verdict = self._safety.filter(picked.action)
        self._sections.done("filter")
        if action is None:
            return Hold(reason=HoldReason.VETOED, stamp_ns=now_ns)
        self._sequence += 1
        self._sent_ns = now_ns
        return Command(
            action=action,
            stamp_ns=now_ns,
            sequence=self._sequence,
            verdict=self.verdict,
            chunk_sequence=picked.chunk_sequence,
            chunk_index=picked.chunk_index,
        )

    def _expired_by_age(self, hold: Hold, now_ns: int) -> Hold:
        """Of a chunk that is over and a latent that is too old, the latent is the reason."""
        age_s = self.latent_age_s(now_ns)
        if hold.reason is HoldReason.CHUNK_EXPIRED and self._hold_after_s < age_s < math.inf:
            return Hold(reason=HoldReason.LATENT_STALE, age_s=age_s, stamp_ns=now_ns)
        return hold

    def _start_from(self, observation: Observation) -> None:
        """After a pause the robot may stand elsewhere than where it was last sent."""
        if self._is_commanding or not self._safety.is_at_rest:
            return
        target = observation.proprioception.get(self._target_name)
        sent_ns = self._sent_ns
        # An older one shows a target from before the last command: worse than what we know.
        if target is not None and (
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
