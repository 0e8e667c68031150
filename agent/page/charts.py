"""What is drawn over time, as options of the ECharts library: pure, the same live and recorded.

Colours of text and lines come from the page's style sheet, so that light and dark need no redraw.
"""

from typing import Any

from agent.tracing.lanes import LANES, Bar, Chronicle, MemorySample, Points

Options = dict[str, Any]
COLOURS = {
    "done": "#2e9e5b", "failed": "#d64545", "active": "#3b82f6", "skipped": "#b7791f",
    "plan": "#7c6fd6", "chunks": "#94a3b8", "ladder": "#a855f7", "held": "#e08c1a",
    "misses": "#e05656", "faults": "#d64545",
}  # fmt: skip
_LANE_PX, _CURVE_PX, _GAP_PX, _TOP_PX = 24, 64, 22, 8
_LEFT_PX, _RIGHT_PX, _ZOOM_PX = 66, 14, 56
TIMELINE_PX = _TOP_PX + len(LANES) * _LANE_PX + 2 * (_CURVE_PX + _GAP_PX) + _ZOOM_PX
# The parts of a chart that may be others at the next beat.
_CHANGING = ("xAxis", "yAxis", "visualMap", "legend")
_SHADE = "rgba(128, 128, 128, 0.18)"
# One rectangle a bar, never so thin that it cannot be seen; a subtask says what it is.
_DRAW_BAR = """(params, api) => {
  const from = api.coord([api.value(1), api.value(0)]);
  const to = api.coord([api.value(2), api.value(0)]);
  const height = api.size([0, 1])[1] * 0.7, left = Math.max(from[0], params.coordSys.x);
  const right = Math.min(to[0], params.coordSys.x + params.coordSys.width);
  const bar = {type: 'rect', style: {fill: api.visual('color')}, shape: {
    x: from[0], y: from[1] - height / 2, width: Math.max(2.5, to[0] - from[0] - 1.5), height}};
  const words = api.value(0) === 0 && right - left > 40 ? api.value(3) : '';
  return {type: 'group', children: [bar, {type: 'text', silent: true, style: {
    text: words, x: left + 5, y: from[1], verticalAlign: 'middle', fill: '#fff', fontSize: 11,
    width: right - left - 10, overflow: 'truncate'}}]};
}"""
# As plain text, wrapped: what is said may come from anybody.
_SAY_BAR = """(item) => {
  const words = (item.data && item.data.name) || '', lines = [''];
  for (const word of words.split(' ')) {
    if ((lines.at(-1) + word).length > 46) lines.push('');
    lines[lines.length - 1] += word + ' ';
  }
  return item.data.value[1].toFixed(2) + ' s\\n' + lines.join('\\n');
}"""


def timeline_options(chronicle: Chronicle, cursor_s: float | None) -> Options:
    """The timeline: a row a lane, the age of the latent and the gate below; all zoom together."""
    first, second = _TOP_PX + len(LANES) * _LANE_PX + _GAP_PX, _CURVE_PX + _GAP_PX
    ends = {"min": round(chronicle.first_s, 3), "max": round(chronicle.last_s, 3)}
    return {
        "animation": False,
        "tooltip": {"renderMode": "richText", "confine": True, ":formatter": _SAY_BAR},
        "grid": [
            _grid(_TOP_PX, len(LANES) * _LANE_PX),
            _grid(first, _CURVE_PX),
            _grid(first + second, _CURVE_PX),
        ],
        "xAxis": [_time_axis(place, ends, is_last=place == 2) for place in range(3)],  # noqa: PLR2004
        "yAxis": [_lane_axis(), _value_axis(1, "age\n[s]"), _value_axis(2, "gate", 1.0)],
        "dataZoom": [_zoom_bar(), _zoom_by_hand()],
        "series": [
            {
                "type": "custom", "id": "bars", "clip": True, ":renderItem": _DRAW_BAR,
                "encode": {"x": [1, 2], "y": 0},
                "data": [_bar(bar) for bar in chronicle.bars if bar.lane in LANES],
            },
            _line("age", 1, chronicle.latent_age_s, "#3b82f6"),
            _line("gate", 2, chronicle.gate, "#2e9e5b"),
            *(_cursor(place, cursor_s) for place in range(3)),
        ],
    }  # fmt: skip


def cursor_change(cursor_s: float | None) -> Options:
    """What to change in a timeline that was drawn to show another moment."""
    return {
        "series": [
            {"id": f"cursor{place}", "markLine": {"data": _mark(cursor_s)}} for place in range(3)
        ]
    }


def change_to(options: Options) -> Options:
    """What to change in a chart that was drawn to show this: its data, and not how it looks.

    What is zoomed to stays, and so does the moment that a visitor has chosen.
    """
    parts = {name: options[name] for name in _CHANGING if name in options}
    series = [
        {name: value for name, value in each.items() if not name.startswith(":")}
        for each in options["series"]
        if not each["id"].startswith("cursor")
    ]
    return parts | {"series": series}


def curves_of(chronicle: Chronicle, lateness: str) -> dict[str, Options]:
    """The charts below the timeline, by name; `lateness` says which figure of it is known."""
    return {
        "lateness": curves_options({lateness: chronicle.late_ms}, "ms"),
        "actions": curves_options(dict(chronicle.actions), ""),
        "memory": memory_options(chronicle.memory),
    }


def curves_options(curves: dict[str, Points], unit: str) -> Options:
    """Some curves in one picture, with their names."""
    colours = ["#3b82f6", "#2e9e5b", "#e08c1a", "#a855f7", "#d64545", "#0ea5a5", "#94a3b8"]
    return {
        "animation": False,
        "color": colours,
        "legend": {"type": "scroll", "top": 0, "show": len(curves) > 1},
        "tooltip": {
            "trigger": "axis", "renderMode": "richText", "confine": True,
            ":valueFormatter": "(value) => value.toFixed(3)",
        },
        "grid": {"left": 52, "right": _RIGHT_PX, "top": 30, "bottom": 26},
        "xAxis": {"type": "value", "min": "dataMin", "max": "dataMax", **_quiet("{value} s")},
        "yAxis": {"type": "value", "scale": True, "name": unit, **_quiet("{value}"),
                  "nameTextStyle": {"align": "right"}},
        "series": [
            {
                "type": "line", "id": name, "name": name, "showSymbol": False,
                "lineStyle": {"width": 1.5}, "data": _pairs(points),
            }
            for name, points in curves.items()
        ],
    }  # fmt: skip


def memory_options(samples: tuple[MemorySample, ...], most_entries: int = 32) -> Options:
    """What was remembered over time, a row an entry; the darker, the more attention it got."""
    times = sorted({entry.time_s for each in samples for entry in each.entries})[-most_entries:]
    rows = {time_s: row for row, time_s in enumerate(times)}
    cells = [
        {
            "value": [column, rows[entry.time_s], round(entry.weight or 0.0, 4)],
            "name": entry.kept_by,
        }
        for column, sample in enumerate(samples)
        for entry in sample.entries
        if entry.time_s in rows
    ]
    return {
        "animation": False,
        "tooltip": {"renderMode": "richText", "confine": True, ":formatter": _SAY_CELL},
        "grid": {"left": 58, "right": _RIGHT_PX, "top": 8, "bottom": 66},
        "xAxis": {
            "type": "category", "data": [f"{sample.at_s:.1f}" for sample in samples],
            "name": "time [s]", "nameLocation": "middle", "nameGap": 22, **_quiet(None),
        },
        "yAxis": {"type": "category", "data": [f"{time_s:.1f}" for time_s in times],
                  **_quiet("{value} s")},
        "visualMap": {
            "min": 0.0, "max": max((cell["value"][2] for cell in cells), default=0.0) or 1.0,
            "orient": "horizontal", "left": "center", "bottom": 0, "itemHeight": 90,
            "itemWidth": 12, "text": ["much attention", "little"], "precision": 2,
            "inRange": {"color": ["#dbe6fb", "#7ba6f2", "#2f62d4", "#6b21a8"]},
        },
        "series": [{"type": "heatmap", "id": "memory", "data": cells}],
    }  # fmt: skip


_SAY_CELL = """(item) => item.data.value[2].toFixed(3) + ' of the attention' +
  (item.data.name ? '\\nkept by ' + item.data.name : '')"""


def _bar(bar: Bar) -> Options:
    title = bar.words.partition(": ")[0] if bar.lane == "subtask" else ""
    return {
        "name": bar.words,
        "value": [LANES.index(bar.lane), round(bar.first_s, 3), round(bar.last_s, 3), title],
        "itemStyle": {"color": COLOURS.get(bar.look, COLOURS["skipped"])},
    }


def _pairs(points: Points) -> list[list[float]]:
    return [[round(at_s, 3), round(value, 4)] for at_s, value in points]


def _line(name: str, place: int, points: Points, colour: str) -> Options:
    return {
        "type": "line", "id": name, "name": name, "xAxisIndex": place, "yAxisIndex": place,
        "showSymbol": False, "silent": True, "lineStyle": {"width": 1.5, "color": colour},
        "areaStyle": {"opacity": 0.12, "color": colour}, "data": _pairs(points),
    }  # fmt: skip


def _cursor(place: int, cursor_s: float | None) -> Options:
    return {
        "type": "line", "id": f"cursor{place}", "xAxisIndex": place, "yAxisIndex": place,
        "data": [], "markLine": {
            "silent": True, "symbol": "none", "label": {"show": False},
            "lineStyle": {"type": "solid", "width": 2, "color": "#ef4444"},
            "data": _mark(cursor_s),
        },
    }  # fmt: skip


def _mark(cursor_s: float | None) -> list[Options]:
    return [] if cursor_s is None else [{"xAxis": round(cursor_s, 3)}]


def _grid(top: int, height: int) -> Options:
    # Without the last the library would move each grid as its own labels want.
    edges = {"left": _LEFT_PX, "right": _RIGHT_PX, "outerBoundsMode": "none"}
    return {"top": top, "height": height, **edges}


def _time_axis(place: int, ends: dict[str, float], *, is_last: bool) -> Options:
    form = "{value} s"
    quiet = _quiet(form) if is_last else _quiet(form) | {"axisLabel": {"show": False}}
    return {"type": "value", "gridIndex": place, **ends, **quiet}


def _lane_axis() -> Options:
    rows = {"show": True, "areaStyle": {"color": ["transparent", "rgba(128, 128, 128, 0.07)"]}}
    return {
        "type": "category", "gridIndex": 0, "data": list(LANES), "inverse": True,
        **_quiet(None), "splitArea": rows, "axisLabel": {"fontSize": 11},
    }  # fmt: skip


def _value_axis(place: int, name: str, highest: float | None = None) -> Options:
    top = {} if highest is None else {"max": highest}
    return {
        "type": "value", "gridIndex": place, "min": 0, **top, "splitNumber": 2, "name": name,
        "nameLocation": "middle", "nameGap": 34, "nameRotate": 0,
        "nameTextStyle": {"lineHeight": 14},
        **_quiet("{value}"), "axisLabel": {"fontSize": 11},
    }  # fmt: skip


def _quiet(form: str | None) -> Options:
    """An axis that does not shout."""
    label = {"fontSize": 11, "hideOverlap": True, "showMinLabel": False, "showMaxLabel": False}
    label |= {"formatter": form} if form else {}
    line = {"lineStyle": {"color": _SHADE}}
    return {"axisLabel": label, "axisLine": line, "axisTick": {"show": False}, "splitLine": line}


def _zoom_bar() -> Options:
    return {
        "type": "slider", "xAxisIndex": [0, 1, 2], "bottom": 4, "height": 20,
        "left": _LEFT_PX, "right": _RIGHT_PX, "showDataShadow": False, "brushSelect": False,
        "showDetail": False,
    }  # fmt: skip


def _zoom_by_hand() -> Options:
    """With the mouse: wheel and Ctrl; without it the wheel scrolls the page."""
    return {
        "type": "inside", "xAxisIndex": [0, 1, 2], "zoomOnMouseWheel": "ctrl",
        "moveOnMouseWheel": False, "preventDefaultMouseMove": False,
    }  # fmt: skip
