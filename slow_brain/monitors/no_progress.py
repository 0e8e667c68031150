"""A robot that has stood still for long, and is not done, is stuck."""

import numpy as np

from bridge import (
    AnyArray,
    ContractError,
    Evidence,
    Observation,
    Subtask,
    SubtaskReport,
    SubtaskState,
    seconds_between,
)


class NoProgressMonitor:
    """Stuck when no reading has changed by more than `tolerance` for `limit_s`.

    It says so once; then something has to move before it speaks again. What a reading is measured
    from is where it was when it last counted as moved, so that a slow drift counts as motion.

    Args:
        readings: Proprioception to look at, by name.
        tolerance: The largest change that is none, in each reading's own unit.
        limit_s: How long to stand still [s].
        ends_subtask: Report it as failed, instead of asking the planner to look again.
    """

    def __init__(
        self,
        *,
        readings: tuple[str, ...],
        tolerance: float = 0.005,
        limit_s: float = 5.0,
        ends_subtask: bool = False,
    ) -> None:
        self._readings = tuple(readings)
        self._tolerance = tolerance
        self._limit_s = limit_s
        self._state = SubtaskState.FAILED if ends_subtask else SubtaskState.ACTIVE
        self._subtask_id = ""
        self._still_at: AnyArray | None = None
        self._since_ns = 0
        self._has_spoken = False

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Look from here on."""
        self._subtask_id, self._since_ns = subtask.id, now_ns
        self._still_at, self._has_spoken = None, False

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Compare the readings with where they last moved.

        Raises:
            ContractError: The robot has no such reading.
        """
        here = self._read(evidence.observation)
        if not np.isfinite(here).all():
            # A sensor that says nan has not said that the robot stands still.
            self._still_at, self._since_ns = None, now_ns
            return None
        if self._has_moved(here):
            self._still_at, self._since_ns, self._has_spoken = here, now_ns, False
        still_s = seconds_between(self._since_ns, now_ns)
        if self._has_spoken or still_s < self._limit_s:
            return None
        self._has_spoken = True
        return SubtaskReport(
            subtask_id=self._subtask_id,
            state=self._state,
            reason=f"{', '.join(self._readings)} moved less than {self._tolerance:g} in "
            f"{still_s:.3g} s",
            stamp_ns=now_ns,
        )

    def _has_moved(self, here: AnyArray) -> bool:
        before = self._still_at
        if before is None or before.shape != here.shape:
            return True
        return bool(np.max(np.abs(here - before), initial=0.0) > self._tolerance)

    def _read(self, observation: Observation) -> AnyArray:
        known = observation.proprioception
        for name in self._readings:
            if name not in known:
                raise ContractError(
                    leaf=f"observation.proprioception.{name}, which no_progress looks at",
                    expected="a reading of the robot",
                    got=f"only {sorted(known)}",
                )
        return np.concatenate([np.ravel(known[name]).astype(np.float64) for name in self._readings])
