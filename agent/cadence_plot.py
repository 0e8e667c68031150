"""Draws a recorded cadence: a histogram of lateness, and where the time of a tick goes."""

from pathlib import Path
from typing import Any

import numpy as np

from agent.cadence import RecordedCadence, Times
from bridge.errors import ConfigError

_SMALLEST_MS = 0.001
_BINS_PER_DECADE = 20
_PERCENTILES = (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"), ("max", "max_ms"))


def plot_cadence(recorded: RecordedCadence, path: Path) -> None:
    """Write a picture of a recorded cadence.

    Raises:
        ConfigError: matplotlib is not installed, or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("A plot needs matplotlib: pip install 'tandem-agent[train]'.") from error
    figure: Any = Figure(figsize=(12, 4.5), layout="tight")
    late, sections = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_lateness(late, recorded)
    _draw_sections(sections, recorded.cadence.sections)
    try:
        figure.savefig(path, dpi=120)
    except OSError as error:
        raise ConfigError(f"Cannot write the plot: {error}.") from error


def _draw_lateness(axes: Any, recorded: RecordedCadence) -> None:  # noqa: ANN401  # matplotlib's.
    cadence, late_ms = recorded.cadence, np.maximum(recorded.late_ms, _SMALLEST_MS)
    decades = max(1.0, np.log10(float(late_ms.max()) / _SMALLEST_MS))
    edges = np.geomspace(
        _SMALLEST_MS, _SMALLEST_MS * 10**decades * 1.05, round(decades * _BINS_PER_DECADE) + 1
    )
    axes.hist(late_ms, bins=edges, color="#4c78a8")
    for number, (name, key) in enumerate(_PERCENTILES):
        value: float = getattr(cadence.lateness, key)
        axes.axvline(max(value, _SMALLEST_MS), color="#e45756", linewidth=1)
        height = 0.95 - 0.07 * number
        axes.text(
            max(value, _SMALLEST_MS),
            height,
            f" {name} {value:.3f} ms",
            transform=axes.get_xaxis_transform(),
            fontsize=8,
        )
    axes.set(
        xscale="log",
        # Room for the words beside the last line.
        xlim=(_SMALLEST_MS / 2, edges[-1] * 4),
        yscale="log",
        xlabel="lateness of waking up [ms]",
        ylabel="ticks",
        title=f"{cadence.ticks} ticks at {cadence.effective_rate_hz:.1f} Hz, "
        f"{cadence.missed} missed, {cadence.starved} starved",
    )


def _draw_sections(axes: Any, sections: dict[str, Times]) -> None:  # noqa: ANN401  # As above.
    names = list(reversed(sections))
    for key, label, colour in (
        ("max_ms", "max", "#d8d8d8"),
        ("p999_ms", "p99.9", "#bab0ac"),
        ("p99_ms", "p99", "#9ecae9"),
        ("p50_ms", "p50", "#4c78a8"),
    ):
        values = [getattr(sections[name], key) for name in names]
        axes.barh(names, values, label=label, color=colour)
    axes.set(xscale="log", xlabel="time of a section of the tick [ms]")
    axes.legend(fontsize=8)
