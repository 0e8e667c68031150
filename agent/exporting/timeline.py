"""The timeline of a run as a picture in SVG: lanes of bars, and curves below them."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from agent.tracing.lanes import LANES, Bar, Chronicle, Points, every, thinned

_WIDTH, _LANE_HEIGHT, _LEFT = 1000, 28, 130
# As many as can be told apart in the picture.
_MOST_MARKS, _MOST_POINTS = 1000, 400
# A line ends where nothing was told for so long [s].
_GAP_S = 1.0


class _Curve(NamedTuple):
    """A line over time; `top` is the value at its upper edge, the lower one is 0."""

    name: str
    unit: str
    top: float
    points: Points


def timeline(chronicle: Chronicle, first_s: float, last_s: float) -> str:
    """Draw what happened between two moments [s since the recording began]."""
    axis = _Axis(first_s, last_s)
    curves = [curve for curve in _curves(chronicle, axis) if curve.points]
    drawn = list[str]()
    for place, lane in enumerate(LANES):
        bars = [bar for bar in chronicle.bars if bar.lane == lane and axis.shows(bar)]
        drawn += [_ground(lane, place), *(_mark(bar, axis, place) for bar in _some(bars))]
    for place, curve in enumerate(curves, len(LANES)):
        drawn += [_ground(f"{curve.name}, 0–{curve.top:.3g} {curve.unit}", place)]
        drawn += [_line(curve, part, axis, place) for part in _unbroken(curve.points, axis)]
    bottom = (len(LANES) + len(curves)) * _LANE_HEIGHT + 16
    drawn += [
        f'<text x="{_LEFT}" y="{bottom - 2}">{first_s:.1f} s</text>',
        f'<text x="{_WIDTH}" y="{bottom - 2}" text-anchor="end">{last_s:.1f} s</text>',
    ]
    return (
        f'<div class="timeline" tabindex="0"><svg viewBox="0 0 {_WIDTH} {bottom}" role="img" '
        f'aria-label="timeline of the run">{"".join(drawn)}</svg></div>'
    )


class _Axis:
    """Where a moment [s] lies from left to right [px]."""

    def __init__(self, first_s: float, last_s: float) -> None:
        self.first_s, self.last_s = first_s, last_s
        self._scale = (_WIDTH - _LEFT) / max(last_s - first_s, 1e-3)

    def shows(self, bar: Bar) -> bool:
        return bar.last_s >= self.first_s and bar.first_s <= self.last_s

    def __call__(self, at_s: float) -> float:
        inside_s = min(max(at_s, self.first_s), self.last_s)
        return _LEFT + (inside_s - self.first_s) * self._scale


def _curves(chronicle: Chronicle, axis: _Axis) -> Iterator[_Curve]:
    gate = every(_within(chronicle.gate, axis), _MOST_POINTS)
    yield _Curve("gate", "", 1.0, gate)
    for name, unit, points in (
        ("latent age", "s", chronicle.latent_age_s),
        ("lateness", "ms", chronicle.late_ms),
    ):
        shown = thinned(_within(points, axis), _MOST_POINTS)
        yield _Curve(name, unit, max([1e-3, *(value for _, value in shown)]), shown)


def _within(points: Points, axis: _Axis) -> Points:
    return [(at_s, value) for at_s, value in points if axis.first_s <= at_s <= axis.last_s]


def _some(bars: Sequence[Bar]) -> Sequence[Bar]:
    return bars[:: -(-len(bars) // _MOST_MARKS) or 1]


def _ground(name: str, place: int) -> str:
    top = place * _LANE_HEIGHT
    return (
        f'<text x="0" y="{top + 17}">{escape(name)}</text><rect class="lane" x="{_LEFT}" '
        f'y="{top + 2}" width="{_WIDTH - _LEFT}" height="{_LANE_HEIGHT - 4}"/>'
    )


def _mark(bar: Bar, axis: _Axis, place: int) -> str:
    left = axis(bar.first_s)
    width = max(2.0, axis(bar.last_s) - left)
    title = escape(f"{bar.first_s:.2f} s – {bar.last_s:.2f} s: {bar.words}")
    return (
        f'<rect class="{escape(bar.look)}" x="{left:.1f}" y="{place * _LANE_HEIGHT + 4}" '
        f'width="{width:.1f}" height="{_LANE_HEIGHT - 8}"><title>{title}</title></rect>'
    )


def _unbroken(points: Points, axis: _Axis) -> Iterator[Points]:
    """The parts of a curve between which nothing was told for long."""
    gap_s = max(_GAP_S, 3 * (axis.last_s - axis.first_s) / _MOST_POINTS)
    first = 0
    for place in range(1, len(points)):
        if points[place][0] - points[place - 1][0] > gap_s:
            yield points[first:place]
            first = place
    yield points[first:]


def _line(curve: _Curve, part: Points, axis: _Axis, place: int) -> str:
    bottom, high = (place + 1) * _LANE_HEIGHT - 4, _LANE_HEIGHT - 8
    places = " ".join(
        f"{axis(at_s):.1f},{bottom - high * min(value / curve.top, 1.0):.1f}"
        for at_s, value in part
    )
    values = [value for _, value in curve.points]
    title = f"{curve.name}: from {min(values):.3g} to {max(values):.3g} {curve.unit}".rstrip()
    return f'<polyline class="curve" points="{places}"><title>{escape(title)}</title></polyline>'
