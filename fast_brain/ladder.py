"""The degradation ladder: how much the robot may still do when what it acts on grows old.

    fresh          the newest latent is young
    stale_latent   it is older than `stale_after_s`; its age is an input of the policy's gate
    text_only      older than `text_after_s`: the policy gets the subtask's words without latents
    hold           older than `hold_after_s`, or no observation: the robot is held
    stop           either for longer than `stop_after_s`: a controlled stop, and what was under way
                   is dropped

Down at once, up only when all has been well for a while. Pure: time and ages are given.
"""

import math
from enum import IntEnum
from typing import Literal, NamedTuple

from bridge.clock import seconds_between

Cause = Literal["", "latent", "observation"]


class Rung(IntEnum):
    """Where on the ladder; a larger number is worse."""

    FRESH = 0
    STALE_LATENT = 1
    TEXT_ONLY = 2
    HOLD = 3
    STOP = 4

    def __str__(self) -> str:
        return self.name.lower()


class LadderRules(NamedTuple):
    """From which age on which rung is taken [s], in ascending order, and how one comes back up.

    The way up is open after `recover_after_s` [s] and `recover_observations` new observations in
    which all was better than the rung that was taken.
    """

    stale_after_s: float = 2.0
    text_after_s: float = 5.0
    hold_after_s: float = 10.0
    stop_after_s: float = 30.0
    observation_limit_s: float = 0.5
    recover_after_s: float = 0.5
    recover_observations: int = 3


class Ladder:
    """Keeps the rung; `step` is called at each beat of whoever owns it."""

    def __init__(self, rules: LadderRules) -> None:
        self._rules = rules
        self.reset()

    @property
    def rung(self) -> Rung:
        """The rung as of the last step."""
        return self._rung

    @property
    def cause(self) -> Cause:
        """Whose age brought it down to the present rung; empty when fresh."""
        return self._cause

    def reset(self) -> None:
        """Begin anew, at the top: in a new episode, or with a new goal, old ages mean nothing."""
        self._rung = Rung.FRESH
        self._cause: Cause = ""
        self._forget_recovery()

    def step(
        self,
        now_ns: int,
        *,
        latent_age_s: float = math.inf,
        observation_age_s: float = 0.0,
        observation_sequence: int = 0,
    ) -> Rung:
        """Take the rung that these ages ask for, or wait on the one it is on.

        Args:
            now_ns: The time of this beat.
            latent_age_s: Of the newest latent in use [s]; inf if none is, which is no degradation.
            observation_age_s: Of the newest observation [s].
            observation_sequence: Which observation that is; another number is a new one.
        """
        wanted, cause = self._wanted(latent_age_s, observation_age_s)
        if wanted >= self._rung:
            self._forget_recovery()
            if wanted > self._rung:
                self._rung, self._cause = wanted, cause
            return self._rung
        self._recover(now_ns, wanted, cause, observation_sequence)
        return self._rung

    def _wanted(self, latent_age_s: float, observation_age_s: float) -> tuple[Rung, Cause]:
        rules = self._rules
        latent = observation = Rung.FRESH
        if math.isfinite(latent_age_s):
            limits_s = rules.stale_after_s, rules.text_after_s, rules.hold_after_s
            latent = Rung(
                sum(latent_age_s > limit_s for limit_s in (*limits_s, rules.stop_after_s))
            )
        # Written so that an age of nan is too old.
        if not observation_age_s <= rules.observation_limit_s:
            observation = Rung.HOLD if observation_age_s <= rules.stop_after_s else Rung.STOP
        if observation > latent:
            return observation, "observation"
        return latent, "latent" if latent else ""

    def _recover(self, now_ns: int, wanted: Rung, cause: Cause, sequence: int) -> None:
        """Count time and observations since all has been better, and go up when it is enough."""
        if self._better_since_ns is None or now_ns < self._better_since_ns:
            self._better_since_ns, self._seen, self._last_sequence = now_ns, 0, sequence
            self._best_allowed = (wanted, cause)
        if sequence != self._last_sequence:
            self._seen, self._last_sequence = self._seen + 1, sequence
        # Not higher than the worst of the meantime.
        self._best_allowed = max(self._best_allowed, (wanted, cause))
        has_waited = seconds_between(self._better_since_ns, now_ns) >= self._rules.recover_after_s
        if has_waited and self._seen >= self._rules.recover_observations:
            self._rung, self._cause = self._best_allowed
            self._forget_recovery()

    def _forget_recovery(self) -> None:
        self._better_since_ns: int | None = None
        self._seen = 0
        self._last_sequence: int | None = None
        self._best_allowed: tuple[Rung, Cause] = (Rung.FRESH, "")
