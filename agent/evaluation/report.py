"""The result of an evaluation as JSON: the figures, and all it takes to get them again."""

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

from agent.evaluation.records import EpisodeRecord
from agent.evaluation.runner import Evaluation
from agent.evaluation.statistics import summarize

_NAMED = ("tandem-agent", "torch", "transformers", "mujoco", "ogbench", "numpy", "ray")
_GIT_LIMIT_S = 5


def make_report(evaluation: Evaluation, episodes: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Everything about an evaluation that is worth keeping, ready for JSON."""
    return {
        "suite": evaluation.suite,
        "mode": evaluation.config.fast_brain.mode,
        "seed": evaluation.seed,
        "episodes_wanted": evaluation.episodes,
        **summarize(episodes),
        "settings_id": evaluation.settings_id,
        "settings": evaluation.config.model_dump(mode="json", exclude={"serve": {"token"}}),
        "versions": versions(),
        "commit": commit(),
    }


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    aside.replace(path)


def render_report(report: dict[str, Any]) -> Table:
    """The figures as a table for the terminal."""
    low, high = report["interval_95"]
    table = Table(title=f"{report['suite']} · {report['mode']} · {report['n']} episodes")
    table.add_column("what")
    table.add_column("worked", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("typical time", justify="right")
    table.add_row(
        "the whole goal",
        _percent(report["success_rate"]),
        f"{_percent(low)}-{_percent(high)}",
        _seconds(report["time_to_finish_s"]["p50"]),
        style="bold",
    )
    for text, figures in report["subtask_rates"].items():
        low, high = figures["interval_95"]
        table.add_row(
            text,
            _percent(figures["rate"]),
            f"{_percent(low)}-{_percent(high)}",
            _seconds(figures["time_s_p50"]),
        )
    return table


def versions() -> dict[str, str]:
    """What took part, by distribution, as far as it is installed; and Python."""
    found = {"python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the checkout this runs from, "+changes" if it differs; "" outside of one."""
    try:
        name = _git("rev-parse", "HEAD")
        return f"{name}+changes" if _git("status", "--porcelain", "-uno") else name
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603  # Our own arguments.
        ["git", "-C", str(Path(__file__).parent), *arguments],  # noqa: S607  # Whichever git there is.
        check=True,
        capture_output=True,
        text=True,
        timeout=_GIT_LIMIT_S,
    )
    return done.stdout.strip()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _seconds(time_s: float | None) -> str:
    return "-" if time_s is None else f"{time_s:.1f} s"
