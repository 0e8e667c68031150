"""The picture of `benchmarks.planner_delay`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.evaluation.grid import Row

_SHIFT_S = 0.03


def draw(report: dict[str, Any], path: Path) -> None:
    """Time to finish and success over the planner's delay, a line for each way."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (times, successes) = plt.subplots(1, 2, figsize=(10, 3.8))
    for number, (label, rows) in enumerate(_lines(report["cells"]).items()):
        # Side by side, so that intervals do not hide each other.
        delays_s = [row["planner_delay_s"] + _SHIFT_S * number for row in rows]
        _bars(times, delays_s, [_spread(row) for row in rows], label)
        _bars(successes, delays_s, [_success(row) for row in rows], label)
    times.set_title("time to finish [s], median and quartiles")
    times.axhline(report["episode_limit_s"], color="grey", linestyle=":")
    times.set_ylim(bottom=0)
    successes.set_title("success [%], 95 % interval")
    successes.set_ylim(0, 105)
    for axis in (times, successes):
        axis.set_xlabel("planner delay [s]")
    times.legend(fontsize="small")
    figure.suptitle(f"{report['suite']}, {report['episodes']} episodes a point")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _spread(row: Row) -> tuple[float, float, float]:
    return row["time_p50_s"], row["time_p25_s"], row["time_p75_s"]


def _success(row: Row) -> tuple[float, float, float]:
    low, high = row["interval_95"]
    return 100 * row["success_rate"], 100 * low, 100 * high


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    lines: dict[str, list[Row]] = {}
    for row in rows:
        acts = f", acts for {row['act_for_s']:.2g} s" if "act_for_s" in row else ""
        lines.setdefault(f"{row['coupling']}{acts}", []).append(row)
    return lines


def _bars(
    axis: Any,  # noqa: ANN401  # matplotlib's.
    delays_s: list[float],
    points: list[tuple[float, float, float]],
    label: str,
) -> None:
    below = [middle - low for middle, low, _ in points]
    above = [high - middle for middle, _, high in points]
    middles = [middle for middle, _, _ in points]
    axis.errorbar(delays_s, middles, yerr=[below, above], marker="o", capsize=2, label=label)
