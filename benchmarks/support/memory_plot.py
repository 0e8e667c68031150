"""The picture of `benchmarks.memory_read`."""

from pathlib import Path
from typing import Any

_LINES = {
    "recompute_ms": "published: all projected on each call",
    "new_latent_ms": "ours, first read of a latent",
    "same_latent_ms": "ours, every further read of it",
}


def draw(report: dict[str, Any], path: Path) -> None:
    """Time of a read over the number of entries, a line for each price."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    sizes = [int(size) for size in report["sizes"]]
    for key, label in _LINES.items():
        axis.plot(sizes, [found[key] for found in report["sizes"].values()], "o-", label=label)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(sizes, [str(size) for size in sizes])
    axis.set_xlabel(f"entries of {report['tokens']} tokens × {report['width']}")
    axis.set_ylabel("read + gate [ms]")
    axis.legend(fontsize="small")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
