"""The picture of an ablation: success by condition for each suite, and over the planner's delay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.evaluation.ablation import TOGETHER
from agent.evaluation.ablation_goals import is_memory_suite
from agent.evaluation.conditions import COUPLINGS, REFERENCE, cell_words
from agent.evaluation.pyplot import load_pyplot

_PERCENT = 100.0
_PANELS_A_ROW = 4


def draw_ablation(report: Mapping[str, Any], path: Path) -> Path:
    """Draw a panel a suite, with 95 % intervals; return the picture's path.

    Where the planner's delay was swept one more shows that.

    Raises:
        ConfigError: There is no matplotlib.
    """
    plt = load_pyplot(path)

    suites = list(dict.fromkeys(cell["suite"] for cell in report["cells"]))
    is_swept = len({cell["planner_delay_s"] for cell in report["cells"]}) > 1
    count = len(suites) + is_swept
    columns = min(_PANELS_A_ROW, count)
    rows = -(-count // columns)
    size = (4 * columns, 3.4 * rows)
    drawn: tuple[Any, Any] = plt.subplots(rows, columns, figsize=size, squeeze=False)
    figure, axes = drawn[0], list(drawn[1].flat)
    for axis, suite in zip(axes, suites, strict=False):
        _draw_bars(axis, suite, [cell for cell in report["cells"] if cell["suite"] == suite])
    if is_swept:
        _draw_delays(axes[len(suites)], report["cells"], _not_in_a_sum(suites))
    for axis in axes[count:]:
        axis.set_axis_off()
    figure.suptitle("The same brains and episodes, with 95 % intervals")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _draw_bars(axis: Any, suite: str, cells: Sequence[Mapping[str, Any]]) -> None:  # noqa: ANN401  # matplotlib's.
    reference = cells[0]
    bars = {
        cell_words(cell, reference): cell
        for cell in cells
        if cell["planner_delay_s"] == reference["planner_delay_s"]
    }
    rates = [_PERCENT * (cell["success_rate"] or 0.0) for cell in bars.values()]
    axis.barh(list(bars), rates, xerr=_errors(list(bars.values())), capsize=2)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_title(suite)
    axis.set_xlabel("success [%]")


def _not_in_a_sum(suites: Sequence[str]) -> list[str]:
    """Where the memory suites are told together as well, that one stands for them all."""
    sums = [suite for suite in suites if suite.endswith(TOGETHER)]
    return [suite for suite in suites if not (sums and is_memory_suite(suite))]


def _draw_delays(axis: Any, cells: Sequence[Mapping[str, Any]], suites: Sequence[str]) -> None:  # noqa: ANN401  # As above.
    for number, suite in enumerate(suites):
        for coupling, style in zip(COUPLINGS, ("o-", "s--"), strict=True):
            place = (suite, REFERENCE, coupling)
            line = [c for c in cells if (c["suite"], c["condition"], c["coupling"]) == place]
            line.sort(key=lambda cell: cell["planner_delay_s"])
            if line:
                axis.errorbar(
                    [cell["planner_delay_s"] for cell in line],
                    [_PERCENT * (cell["success_rate"] or 0.0) for cell in line],
                    yerr=_errors(line),
                    capsize=2,
                    color=f"C{number}",
                    fmt=style,
                    label=f"{suite}, {coupling}",
                )
    axis.set_title("over the planner's delay")
    axis.set_xlabel("planner delay [s]")
    axis.set_ylabel("success [%]")
    axis.set_ylim(0, 105)
    axis.legend(fontsize="x-small")


def _errors(cells: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """How far the interval reaches below and above each rate [%]."""
    below = [_PERCENT * ((c["success_rate"] or 0.0) - c["interval_95"][0]) for c in cells]
    above = [_PERCENT * (c["interval_95"][1] - (c["success_rate"] or 0.0)) for c in cells]
    return [[max(value, 0.0) for value in below], [max(value, 0.0) for value in above]]
