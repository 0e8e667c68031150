"""Where two runs part, and how each goes on from there."""

import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple, Self

from agent.tracing.milestones import Step, steps_of, zero_ns
from agent.tracing.runs import Run
from agent.tracing.ticks import TICKS, Tick, ticks_of

_NS_PER_S = 1_000_000_000
# Two loops do not tick at the same instants: what is other for less than this is no divergence.
_LASTS_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first difference of one kind: what each run did, and when, since its first goal [s]."""

    at_s: float
    lane: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A step of one run beside the same step, or another, of the other."""

    is_same: bool
    first: Step | None
    second: Step | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two runs side by side; `settings` are those that differ, as `key: (first, second)`.

    Times count from `since`: the first goal of each, or a moment that both share.
    """

    runs: tuple[str, str]
    since: str
    settings: dict[str, tuple[str, str]]
    divergences: list[Divergence]
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return asdict(self) | {"is_same": not self.divergences}


class Stretch(NamedTuple):
    """What of a run is compared: from when until when [ns], and from when its times count [ns]."""

    zero_ns: int
    first_ns: int
    last_ns: int
    since: str

    @classmethod
    def of_goals(cls, run: Run) -> Self:
        """All of a run since its first goal; what was set up before is shown too."""
        return cls(zero_ns(run), 0, sys.maxsize, "the first goal")


class _View(NamedTuple):
    """What is compared of one run."""

    run: Run
    stretch: Stretch

    def steps(self) -> list[Step]:
        """What happened, with its times [s]."""
        zero, first, last, _ = self.stretch
        steps = steps_of(self.run, list(self.run.walk("planner.plan")), zero)
        low_s, high_s = (first - zero) / _NS_PER_S, (last - zero) / _NS_PER_S
        return [step for step in steps if low_s <= step.at_s <= high_s]

    def ticks(self) -> Iterator[tuple[float, Tick]]:
        """Each tick since times count, with its time [s]."""
        zero, first, last, _ = self.stretch
        for batch in self.run.walk(TICKS):
            for tick in ticks_of(batch):
                if max(zero, first) <= tick.stamp_ns <= last:
                    yield (tick.stamp_ns - zero) / _NS_PER_S, tick


def compare(
    first: Run, second: Run, *, tolerance: float, stretch: Stretch | None = None
) -> Difference:
    """Lay two runs side by side.

    Args:
        first: The run that is the measure.
        second: The other.
        tolerance: How far two commands may be apart and still be the same [action unit].
        stretch: What to compare of two runs on the same clock; if None, all since the first goal
            of each.

    Returns:
        The first divergence of what happened and of what was commanded, the earlier first.
    """
    one, other = (_View(run, stretch or Stretch.of_goals(run)) for run in (first, second))
    rows = _side_by_side(one.steps(), other.steps())
    found = [_first_other(rows), _first_other_command(one, other, tolerance)]
    return Difference(
        runs=(first.id, second.id),
        since=one.stretch.since,
        settings=_other_settings(_flat(first.settings), _flat(second.settings)),
        divergences=sorted((each for each in found if each), key=lambda each: each.at_s),
        rows=rows,
    )


def _side_by_side(first: list[Step], second: list[Step]) -> list[Row]:
    """The same steps on one line, others where they happened instead."""
    words = [[(step.lane, step.words) for step in steps] for steps in (first, second)]
    rows = list[Row]()
    for tag, a, b, c, d in SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        pairs = zip_longest(first[a:b], second[c:d])
        rows += [Row(is_same=tag == "equal", first=one, second=other) for one, other in pairs]
    return rows


def _first_other(rows: list[Row]) -> Divergence | None:
    for row in rows:
        steps = [step for step in (row.first, row.second) if step is not None]
        if not row.is_same:
            return Divergence(
                at_s=min(step.at_s for step in steps),
                lane="/".join(sorted({step.lane for step in steps})),
                first=row.first.words if row.first else "nothing of that",
                second=row.second.words if row.second else "nothing of that",
            )
    return None


def _first_other_command(first: _View, second: _View, tolerance: float) -> Divergence | None:
    """When the robot was first sent something else, for longer than a moment."""
    since: Divergence | None = None
    for at_s, one, other in _beside(first.ticks(), second.ticks()):
        if _is_same(one, other, tolerance):
            since = None
            continue
        since = since or Divergence(
            at_s=at_s, lane="command", first=_words(one), second=_words(other)
        )
        if at_s - since.at_s >= _LASTS_S:
            return since
    return None


def _beside(
    first: Iterable[tuple[float, Tick]], second: Iterator[tuple[float, Tick]]
) -> Iterator[tuple[float, Tick, Tick]]:
    """Each tick of the first beside the next one of the second, until one of them ends."""
    other = next(second, None)
    for at_s, one in first:
        while other is not None and other[0] < at_s:
            other = next(second, None)
        if other is None:
            return
        yield at_s, one, other[1]


def _is_same(one: Tick, other: Tick, tolerance: float) -> bool:
    if one.decision != other.decision:
        return False
    if one.action is None or other.action is None:
        return one.action is other.action
    pairs = zip(one.action, other.action, strict=False)
    is_near = all(math.isclose(a, b, rel_tol=0, abs_tol=tolerance) for a, b in pairs)
    return len(one.action) == len(other.action) and is_near


def _words(tick: Tick) -> str:
    values = "" if tick.action is None else ", ".join(f"{value:.4g}" for value in tick.action)
    what = "commanded" if tick.is_command else f"held ({tick.decision})"
    return f"{what} {values}".rstrip()


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, str]:
    """Settings by their dotted names."""
    flat = dict[str, str]()
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")  # pyright: ignore[reportUnknownArgumentType]  # JSON.
        else:
            flat[f"{before}{name}"] = str(value)
    return flat


def _other_settings(first: dict[str, str], second: dict[str, str]) -> dict[str, tuple[str, str]]:
    names = sorted(first.keys() | second.keys())
    pairs = {name: (first.get(name, "–"), second.get(name, "–")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def parting(rows: list[Row], before: int = 2) -> list[Row]:
    """From a little before the first row that is not the same in both; none if all are."""
    place = next((place for place, row in enumerate(rows) if not row.is_same), None)
    return [] if place is None else rows[max(0, place - before) :]
