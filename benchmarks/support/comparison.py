"""The cells of `agent eval --stitch` as Markdown."""

from collections.abc import Mapping
from typing import Any

from benchmarks.support.markdown import cell, table

_MM = 1000.0
# Column, measure of the motion, factor.
_MEASURES = (
    ("jerk mean [m/s³]", "jerk_mean_m_per_s3", 1.0),
    ("jerk p99 [m/s³]", "jerk_p99_m_per_s3", 1.0),
    ("gap at joins, mean [mm]", "gap_mean_m", _MM),
    ("gap at joins, p99 [mm]", "gap_p99_m", _MM),
)


def comparison_of(report: Mapping[str, Any]) -> str:
    """A row for each stitcher and delay, with 95 % intervals in brackets."""
    rows = [
        {
            "stitcher": one["stitcher"],
            "policy delay [ms]": one["policy_delay_ms"],
            "n": one["n"],
            "success [%]": _with_interval(one["success_rate"], one["interval_95"], 100.0),
            **{
                title: _with_interval(figures["mean"], figures["interval_95"], factor)
                for title, measure, factor in _MEASURES
                for figures in (one["motion"][measure],)
            },
        }
        for one in report["cells"]
    ]
    missing = "".join(f"\n\nLeft out: {name}. {why}" for name, why in report["left_out"].items())
    return f"Suite `{report['suite']}`, seed {report['seed']}:\n\n{table(rows)}{missing}"


def _with_interval(mean: float | None, interval: list[float] | None, factor: float) -> str:
    if mean is None:
        return cell(None)
    around = (
        f" ({_short(interval[0] * factor)} – {_short(interval[1] * factor)})" if interval else ""
    )
    return f"{_short(mean * factor)}{around}"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004  # Digits.
