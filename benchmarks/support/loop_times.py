"""When each tick of a measured loop woke up, and when its command was out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_NS_PER_MS = 1e6
_PERCENTS = (50, 99, 99.9, 100)
# Neighbouring ticks are alike, so they are drawn together: a second of them at 100 Hz.
_BLOCK_TICKS = 100
_DRAWS = 2000
_NAMES = ("p50_ms", "p99_ms", "p999_ms", "max_ms")


class TickLog:
    """Room for every tick of a run, made beforehand; writing one down takes a microsecond."""

    def __init__(self, most_ticks: int) -> None:
        self._rows = np.zeros((most_ticks, 4), np.int64)
        self._count = 0

    def note(self, woke_ns: int, late_ns: int, ended_ns: int, skipped: int) -> None:
        """One tick: when it woke, how late, when its command was out, deadlines it skipped."""
        if self._count < len(self._rows):
            self._rows[self._count] = (woke_ns, late_ns, ended_ns, skipped)
            self._count += 1

    def save(self, path: Path) -> None:
        """Write what there is; whole or not at all."""
        partial = path.with_suffix(".partial.npy")
        np.save(partial, self._rows[: self._count])
        partial.replace(path)


@dataclass(frozen=True, kw_only=True)
class LoopTimes:
    """The ticks of one measurement: lateness of waking and of the command [ms], both per tick."""

    woke_late_ms: npt.NDArray[np.float64]
    command_late_ms: npt.NDArray[np.float64]
    missed: int
    effective_rate_hz: float

    @property
    def miss_rate(self) -> float:
        """The share of deadlines that were skipped."""
        return self.missed / (len(self.woke_late_ms) + self.missed)

    def figures(self) -> dict[str, float | int]:
        """As a row of a table; `command_…` is from the deadline to the command's publication."""
        woke = np.percentile(self.woke_late_ms, _PERCENTS)
        command = np.percentile(self.command_late_ms, _PERCENTS)
        return {
            "ticks": len(self.woke_late_ms),
            "missed": self.missed,
            "miss_rate": round(self.miss_rate, 6),
            "effective_rate_hz": round(self.effective_rate_hz, 2),
            **{name: round(float(v), 4) for name, v in zip(_NAMES, woke, strict=True)},
            **{f"command_{n}": round(float(v), 4) for n, v in zip(_NAMES, command, strict=True)},
        }


def load_times(path: Path, begin_ns: int, end_ns: int) -> LoopTimes:
    """The ticks that woke between two times.

    Raises:
        ValueError: There are none: the loop stood still, or never began.
    """
    rows: npt.NDArray[np.int64] = np.load(path)
    rows = rows[(rows[:, 0] >= begin_ns) & (rows[:, 0] < end_ns)]
    if len(rows) < 2:  # noqa: PLR2004  # No rate without two.
        raise ValueError(f"{len(rows)} ticks between {begin_ns} and {end_ns} ns in {path}")
    woke_ns, late_ns, ended_ns, skipped = rows.T
    deadline_ns = woke_ns - late_ns
    seconds = (woke_ns[-1] - woke_ns[0]) / 1e9
    return LoopTimes(
        woke_late_ms=late_ns / _NS_PER_MS,
        command_late_ms=(ended_ns - deadline_ns) / _NS_PER_MS,
        missed=int(skipped.sum()),
        effective_rate_hz=(len(rows) - 1) / seconds,
    )


def pooled(turns: Sequence[LoopTimes]) -> LoopTimes:
    """The ticks of several turns of one situation as one measurement."""
    ticks = [len(turn.woke_late_ms) for turn in turns]
    return LoopTimes(
        woke_late_ms=np.concatenate([turn.woke_late_ms for turn in turns]),
        command_late_ms=np.concatenate([turn.command_late_ms for turn in turns]),
        missed=sum(turn.missed for turn in turns),
        effective_rate_hz=float(np.average([t.effective_rate_hz for t in turns], weights=ticks)),
    )


def p99_ratio_interval(ours: LoopTimes, theirs: LoopTimes) -> list[float]:
    """Where the ratio of two p99 of lateness lies, 95 %: the bootstrap over blocks of ticks."""
    random = np.random.default_rng(0)
    drawn = _p99_draws(ours, random) / _p99_draws(theirs, random)
    return [round(float(bound), 4) for bound in np.percentile(drawn, (2.5, 97.5))]


def _p99_draws(times: LoopTimes, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """The p99 of as many ticks, drawn anew again and again [ms]."""
    ticks = len(times.woke_late_ms)
    blocks = np.array_split(times.woke_late_ms, max(ticks // _BLOCK_TICKS, 1))
    draws = random.integers(len(blocks), size=(_DRAWS, len(blocks)))
    return np.array([np.percentile(np.concatenate([blocks[i] for i in d]), 99) for d in draws])
