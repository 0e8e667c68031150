"""Latencies as the figures that a table needs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_NS_PER_US = 1e3


def summarize_ns(times_ns: Sequence[int]) -> dict[str, float]:
    """How many there are, and their p50, p99, p99.9 and maximum [µs]."""
    times_us = np.asarray(times_ns, np.float64) / _NS_PER_US
    p50, p99, p999 = np.percentile(times_us, [50, 99, 99.9])
    return {
        "n": len(times_us),
        "p50_us": round(float(p50), 2),
        "p99_us": round(float(p99), 2),
        "p999_us": round(float(p999), 2),
        "max_us": round(float(times_us.max()), 2),
    }


def table_row(name: str, figures: dict[str, float]) -> str:
    """One line for the terminal."""
    return (
        f"{name:44}{figures['p50_us']:10.1f}{figures['p99_us']:10.1f}"
        f"{figures['p999_us']:10.1f}{figures['max_us']:10.1f}{figures['n']:8d}"
    )


TABLE_HEAD = f"{'µs':44}{'p50':>10}{'p99':>10}{'p99.9':>10}{'max':>10}{'n':>8}"


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write a benchmark's figures; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
