"""The picture of `benchmarks.control_loop`: how many ticks are later than how much."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.loop_times import LoopTimes

_SMALLEST_MS = 0.003


def draw(ours: Mapping[str, LoopTimes], rivals: Mapping[str, LoopTimes], path: Path) -> None:
    """Two panels with the same axes: ours in every situation, and the rivals beside it."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(12, 4.6), layout="tight")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _curves(left, ours, "ours")
    _curves(right, rivals, "rivals, the planner busy")
    left.set_ylabel("share of ticks whose command is later")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _curves(axes: Any, times: Mapping[str, LoopTimes], title: str) -> None:  # noqa: ANN401  # matplotlib's.
    for name, one in times.items():
        late_ms = np.sort(np.maximum(one.command_late_ms, _SMALLEST_MS))
        share = 1 - np.arange(len(late_ms)) / len(late_ms)
        axes.step(late_ms, share, label=name, where="post")
    axes.set(xscale="log", yscale="log", title=title, xlabel="command after its deadline [ms]")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
