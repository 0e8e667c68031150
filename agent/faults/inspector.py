"""Looks at every command from outside: inside the limits, and not after what it came from expired.

It shares no code with the safety filter, so that a mistake there is not made twice.
"""

from collections import deque

import msgspec
import numpy as np
import numpy.typing as npt

from bridge.clock import seconds_between
from bridge.messages import ActionChunk, Command, Decision, Observation, StopRequest
from bridge.specs import ActionSpec
from fast_brain.config import FastBrainConfig

_PERIODS_ALLOWED = 2
_NS_PER_S = 1_000_000_000
_MOST_KEPT = 8
# Rounding of the commands to float32, as a share of the largest bound.
_ROUNDING = 1e-6
Numbers = npt.NDArray[np.float64]


class Inspection(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What has been seen so far; `limits` and `late` are the newest violations, in words.

    `said` counts the reasons of holds and the verdicts. `latest_after_expiry_s` [s] is how long
    after the end of its chunk, latent or observation the latest command of this goal came;
    negative while all came in time.
    """

    commands: int = 0
    holds: int = 0
    unseen: int = 0
    limit_violations: int = 0
    late_violations: int = 0
    limits: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    said: dict[str, int] = {}
    latest_after_expiry_s: float = -1e9


class Inspector:
    """Judges each decision once. Sans I/O."""

    def __init__(self, limits: ActionSpec, settings: FastBrainConfig, target_name: str) -> None:
        self._spec = limits
        self._period_s = 1.0 / settings.control_rate_hz
        self._hold_after_s = settings.hold_after_s
        self._observation_limit_s = settings.observation_limit_s
        self._target_name = target_name
        self._low, self._high = np.array(limits.low), np.array(limits.high)
        self._slack = _ROUNDING * float(np.abs([self._low, self._high]).max())
        self._motion = _motion_limits(limits, settings.control_rate_hz)
        # The newest commands one tick apart, the newest last.
        self._path: deque[Numbers] = deque(maxlen=len(self._motion) + 1)
        self._last: Command | None = None
        self._expires: dict[int, int] = {}
        self._counts = {"commands": 0, "holds": 0, "unseen": 0, "limits": 0, "late": 0}
        self._limits: deque[str] = deque(maxlen=_MOST_KEPT)
        self._late: deque[str] = deque(maxlen=_MOST_KEPT)
        self._said: dict[str, int] = {}
        self._latest_after_s = -1e9
        self._seen: Decision | None = None

    @property
    def inspection(self) -> Inspection:
        """What has been seen so far."""
        return Inspection(
            commands=self._counts["commands"],
            holds=self._counts["holds"],
            unseen=self._counts["unseen"],
            limit_violations=self._counts["limits"],
            late_violations=self._counts["late"],
            limits=tuple(self._limits),
            late=tuple(self._late),
            said=dict(self._said),
            latest_after_expiry_s=self._latest_after_s,
        )

    def begin(self) -> None:
        """A new goal: what is measured counts from here."""
        self._latest_after_s = -1e9

    def look(
        self,
        decision: Decision | None,
        chunk: ActionChunk | None,
        observation: Observation | None,
        stop: StopRequest | None,
    ) -> None:
        """Judge the newest decision, unless it is the same as before."""
        if chunk is not None:
            self._expires[chunk.sequence] = self._expiry_ns(chunk)
        if decision is None or decision is self._seen:
            return
        self._seen = decision
        if isinstance(decision, Command):
            self._counts["commands"] += 1
            self._say(f"{decision.verdict.kind}: {decision.verdict.reason}")
            self._judge_limits(decision, observation)
            self._judge_age(decision, observation, stop)
            self._last = decision
        else:
            self._counts["holds"] += 1
            self._say(str(decision.reason))
            self._path.clear()

    def _say(self, text: str) -> None:
        self._said[text] = self._said.get(text, 0) + 1

    def _expiry_ns(self, chunk: ActionChunk) -> int:
        """When the chunk's last row is over, or the latent behind it too old [ns]."""
        rows = chunk.actions.shape[0] if chunk.actions.ndim else 0
        end_ns = chunk.start_stamp_ns + round((rows - 1) * chunk.step_s * _NS_PER_S)
        if not np.isfinite(chunk.latent_age_s):
            return end_ns
        fresh_s = self._hold_after_s - chunk.latent_age_s
        return min(end_ns, chunk.observation_stamp_ns + round(fresh_s * _NS_PER_S))

    def _judge_limits(self, command: Command, observation: Observation | None) -> None:
        action = command.action.astype(np.float64)
        if action.shape != self._low.shape or not np.isfinite(action).all():
            self._violate_limits(f"command {command.sequence} is {action.tolist()}")
            return
        outside = np.maximum(self._low - action, action - self._high).max()
        if outside > self._slack:
            self._violate_limits(f"command {command.sequence} is {outside:.3g} out of bounds")
        if not self._follows(command):
            self._judge_first_step(command, action, observation)
            self._path.clear()
        self._path.append(action)
        self._judge_motion(command)

    def _follows(self, command: Command) -> bool:
        """Whether it is of the tick after the last one."""
        last = self._last
        if last is None or not self._path:
            return False
        ticks = round(seconds_between(last.stamp_ns, command.stamp_ns) / self._period_s)
        self._counts["unseen"] += max(0, command.sequence - last.sequence - 1)
        return command.sequence == last.sequence + 1 and ticks <= 1

    def _judge_first_step(
        self, command: Command, action: Numbers, observation: Observation | None
    ) -> None:
        """After a pause it may count from the last command, or from where the target is now."""
        bases = [] if self._last is None else [self._last.action.astype(np.float64)]
        if observation is not None and self._target_name in observation.proprioception:
            bases.append(observation.proprioception[self._target_name].astype(np.float64))
        skipped = 1 if self._last is None else max(1, command.sequence - self._last.sequence)
        allowed = self._motion[0] * skipped + self._slack
        if bases and not any((np.abs(action - base) <= allowed).all() for base in bases):
            jump = min(float(np.abs(action - base).max()) for base in bases)
            self._violate_limits(f"command {command.sequence} jumps by {jump:.3g} after a pause")

    def _judge_motion(self, command: Command) -> None:
        """Speed, acceleration and jerk as differences of the commands of successive ticks."""
        path = np.array(self._path)
        for order, limit in enumerate(self._motion, start=1):
            if len(path) <= order:
                return
            step = np.abs(np.diff(path, n=order, axis=0)[-1])
            excess = float((step - limit).max())
            if excess > self._slack * 2**order:
                name = ("speed", "acceleration", "jerk")[order - 1]
                share = float((step / limit).max())
                self._violate_limits(
                    f"command {command.sequence}: {name} at {share:.3g} × its limit"
                )

    def _judge_age(
        self, command: Command, observation: Observation | None, stop: StopRequest | None
    ) -> None:
        ends = [("chunk or latent", self._expires.get(command.chunk_sequence))]
        if observation is not None:
            limit_ns = round(self._observation_limit_s * _NS_PER_S)
            ends.append(("observation", observation.stamp_ns + limit_ns))
        if stop is not None and stop.latched:
            ends.append(("right to move, a stop,", stop.stamp_ns))
        for what, end_ns in ends:
            if end_ns is None:
                continue
            after_s = seconds_between(end_ns, command.stamp_ns)
            self._latest_after_s = max(self._latest_after_s, after_s)
            if after_s > _PERIODS_ALLOWED * self._period_s + 1e-9:
                self._counts["late"] += 1
                self._late.append(
                    f"command {command.sequence} came {after_s * 1e3:.1f} ms after its {what} ended"
                )

    def _violate_limits(self, text: str) -> None:
        self._counts["limits"] += 1
        self._limits.append(text)


def _motion_limits(spec: ActionSpec, rate_hz: float) -> list[Numbers]:
    """The largest first, second … differences between commands of successive ticks [A]."""
    limits = (spec.max_speed, spec.max_acceleration, spec.max_jerk)
    return [
        np.array(limit) / rate_hz**order for order, limit in enumerate(limits, start=1) if limit
    ]
