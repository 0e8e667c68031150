"""The panels that draw a run over time: the timeline, and curves below it."""

from collections.abc import Callable
from typing import cast

from nicegui import events, ui

from agent.page.charts import TIMELINE_PX, Options, with_cursor
from agent.page.panels import panel
from agent.tracing.lanes import Chronicle

# The moment under the pointer, by the chart's own scale; the bar for zooming below is no moment.
_PICK = """(event) => {
  const chart = getElement(%d).chart;
  if (!chart || !chart.containPixel({gridIndex: [0, 1, 2]}, [event.offsetX, event.offsetY])) return;
  emit(chart.convertFromPixel({xAxisIndex: 0}, event.offsetX));
}"""
_CHART_TITLES = {
    "memory": "Memory: what is kept, and what is attended",
    "lateness": "How late the loop wakes up",
    "actions": "What the robot is sent",
}
_CHART_WORDS = {
    "memory": "Heat map of remembered latents over time; the darker, the more attention",
    "lateness": "Curve of the control loop's lateness in milliseconds",
    "actions": "Curves of each action dimension",
}


class TimelinePanel:
    """Lanes from the subtask down to faults; `pick` is told the moment that was clicked [s]."""

    def __init__(self, options: Options, pick: Callable[[float], None]) -> None:
        with panel("Timeline", "timeline", "wide"):
            self._chart = _chart(options, TIMELINE_PX, "Timeline of the run in lanes", "timeline")
            self._chart.on(
                "click", lambda event: _pick(event, pick), js_handler=_PICK % self._chart.id
            )
            self._words = ui.label().classes("sr-only").props('data-testid="timeline-words"')
            self.below = ui.element("div").classes("w-full mt-1")

    def show(self, options: Options, cursor_s: float | None) -> None:
        """Draw it anew; what was zoomed to stays."""
        _replace(self._chart, with_cursor(options, cursor_s))
        self._chart.update()

    def move(self, cursor_s: float | None) -> None:
        """Show another moment."""
        _replace(self._chart, with_cursor(_drawn(self._chart), cursor_s))
        self._chart.update()

    def describe(self, chronicle: Chronicle) -> None:
        """Say in words what is drawn, for who cannot see it."""
        self._words.set_text(in_words(chronicle))


class CurvePanels:
    """Memory, lateness and actions over time."""

    def __init__(self, curves: dict[str, Options]) -> None:
        self._charts: dict[str, ui.echart] = {}
        self._empty: dict[str, ui.label] = {}
        for name, options in curves.items():
            with panel(_CHART_TITLES[name], name, "wide" if name == "memory" else ""):
                self._empty[name] = ui.label("Nothing is known of it yet.").classes("muted")
                self._charts[name] = _chart(options, 240, _CHART_WORDS[name], name)
            self._set(name, options)

    def show(self, curves: dict[str, Options]) -> None:
        """Draw them anew."""
        for name, options in curves.items():
            _replace(self._charts[name], options)
            self._charts[name].update()
            self._set(name, options)

    def _set(self, name: str, options: Options) -> None:
        has_any = any(series["data"] for series in options["series"])
        self._charts[name].set_visibility(has_any)
        self._empty[name].set_visibility(not has_any)


def in_words(chronicle: Chronicle) -> str:
    """A timeline as a sentence."""
    counts: dict[str, int] = {}
    for bar in chronicle.bars:
        counts[bar.lane] = counts.get(bar.lane, 0) + 1
    told = ", ".join(f"{count} in lane {lane}" for lane, count in counts.items())
    return (
        f"From {chronicle.first_s:.1f} s to {chronicle.last_s:.1f} s: {told or 'nothing happened'}."
    )


def _chart(options: Options, height_px: int, words: str, name: str) -> ui.echart:
    chart = ui.echart(dict(options), renderer="svg").classes("w-full")
    # Its own default has a height that is not the chart's.
    return chart.style(f"height: {height_px}px").props(
        f'role="img" aria-label="{words}" data-testid="{name}-chart"'
    )


def _drawn(chart: ui.echart) -> Options:
    """A chart's options, which may be changed in place."""
    return cast("Options", chart.options)  # pyright: ignore[reportUnknownMemberType]  # As above.


def _replace(chart: ui.echart, options: Options) -> None:
    drawn = _drawn(chart)
    drawn.clear()
    drawn.update(options)


def _pick(event: events.GenericEventArguments, pick: Callable[[float], None]) -> None:
    try:
        pick(float(event.args))
    except (TypeError, ValueError):
        # What a browser sends is not to be trusted; such a click means no moment.
        return
