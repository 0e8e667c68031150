"""The panels that draw a run over time: the timeline, and curves below it."""

import json
from collections.abc import Callable

from nicegui import events, ui

from agent.page.charts import TIMELINE_PX, Options, cursor_change
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

    def change(self, change: str) -> None:
        """Show what has changed, as JSON; what was zoomed to stays, and so does the moment."""
        _change(self._chart, change)

    def move(self, cursor_s: float | None) -> None:
        """Show another moment."""
        _change(self._chart, json.dumps(cursor_change(cursor_s)))

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

    def change(self, curves: dict[str, Options], changes: dict[str, str]) -> None:
        """Show what has changed, as JSON by name; `curves` are the whole charts."""
        for name, options in curves.items():
            _change(self._charts[name], changes[name])
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


def _change(chart: ui.echart, change: str) -> None:
    """Let the browser change its chart, if it has drawn it yet.

    Not by the element's own options: for each tab the library would wrap every number in them.
    """
    chart.client.run_javascript(f"getElement({chart.id})?.chart?.setOption({change})")


def _pick(event: events.GenericEventArguments, pick: Callable[[float], None]) -> None:
    try:
        pick(float(event.args))
    except (TypeError, ValueError):
        # What a browser sends is not to be trusted; such a click means no moment.
        return
