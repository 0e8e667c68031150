"""The picture of a comparison of stitchers: success, smoothness and gaps over the delay."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.evaluation.pyplot import load_pyplot

_PERCENT, _MM = 100.0, 1000.0


def draw_comparison(report: dict[str, Any], path: Path) -> Path:
    """Draw a line for each stitcher, with 95 % intervals, and return the picture's path.

    Raises:
        ConfigError: There is no matplotlib.
    """
    plt = load_pyplot(path)

    drawn: tuple[Any, Any] = plt.subplots(1, len(_PANELS), figsize=(16, 4.2), layout="constrained")
    figure, axes = drawn
    stitchers = list(dict.fromkeys(cell["stitcher"] for cell in report["cells"]))
    step_ms = _step_ms([cell["policy_delay_ms"] for cell in report["cells"]], len(stitchers))
    for number, stitcher in enumerate(stitchers):
        cells = [cell for cell in report["cells"] if cell["stitcher"] == stitcher]
        shift_ms = step_ms * (number - (len(stitchers) - 1) / 2)
        for axis, panel in zip(axes, _PANELS, strict=True):
            _draw_line(axis, cells, panel, stitcher, shift_ms)
    for axis, (title, _, _) in zip(axes, _PANELS, strict=True):
        axis.set_title(title)
        axis.set_xlabel("policy delay [ms]")
        axis.set_ylim(bottom=0)
    axes[0].set_ylim(0, 105)
    lines, names = axes[0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=5, fontsize="small")
    figure.suptitle(f"{report['suite']}: stitchers under a late policy, with 95 % intervals")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _step_ms(delays_ms: Sequence[float], stitchers: int) -> float:
    """How far apart stitchers are drawn, so that intervals do not hide each other [ms]."""
    known = sorted(set(delays_ms))
    gaps_ms = [after - before for before, after in pairwise(known)]
    return min(gaps_ms, default=0.0) / 2 / stitchers


# Of each panel: its title, the measure, and what its values are multiplied by.
_PANELS = (
    ("success [%]", "success", _PERCENT),
    ("mean jerk [m/s³]", "jerk_mean_m_per_s3", 1.0),
    ("p99 jerk [m/s³]", "jerk_p99_m_per_s3", 1.0),
    ("mean gap at joins [mm]", "gap_mean_m", _MM),
)


def _draw_line(
    axis: Any,  # noqa: ANN401  # matplotlib's.
    cells: list[dict[str, Any]],
    panel: tuple[str, str, float],
    label: str,
    shift_ms: float,
) -> None:
    _, measure, factor = panel
    points = [
        (cell["policy_delay_ms"] + shift_ms, *(factor * value for value in found))
        for cell in cells
        if (found := _mean_low_high(cell, measure)) is not None
    ]
    if not points:
        return
    delays_ms, means, lows, highs = zip(*points, strict=True)
    below = [mean - low for mean, low in zip(means, lows, strict=True)]
    above = [high - mean for mean, high in zip(means, highs, strict=True)]
    axis.errorbar(delays_ms, means, yerr=[below, above], marker="o", capsize=2, label=label)


def _mean_low_high(cell: dict[str, Any], measure: str) -> tuple[float, float, float] | None:
    if measure == "success":
        return (cell["success_rate"], *cell["interval_95"])
    figures = cell["motion"][measure]
    mean = figures["mean"]
    return None if mean is None else (mean, *(figures["interval_95"] or (mean, mean)))
