"""Which way of stitching chunks still works when the policy is late, and how smoothly?

The same as `agent eval --stitch all` over several suites: success, jerk and the gaps at joins, for
every stitcher that is installed, at each delay of the policy, in virtual time.

    python -m benchmarks.stitching --json stitching.json
"""

import argparse
import shutil
from pathlib import Path

from agent.evaluation.stitching import (
    ALL,
    compare_stitchers,
    parse_delays_ms,
    parse_stitchers,
    render_comparison,
    stitch_grid,
)
from agent.evaluation.stitching_plot import draw_comparison
from agent.evaluation.suites import find_suite
from agent.logs import configure_logs
from benchmarks.support.latencies import write_json
from benchmarks.support.machine import describe_machine, usable_cores
from benchmarks.support.progress import tell_cell
from benchmarks.support.quiet import be_quiet


def main() -> None:
    """Run what is missing, show the tables, and write figures and pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("runs/bench/stitching.json"),
        help="where to write the figures; the episodes and the pictures stand beside it",
    )
    parser.add_argument("--suites", default="scene-chain,scene-single", metavar="NAME,NAME")
    parser.add_argument("--stitchers", default=ALL, metavar="NAME,NAME")
    parser.add_argument("--policy-delay-ms", default="0,100,200,300", metavar="MS,MS")
    parser.add_argument("--episodes", type=int, default=18, help="of each cell")
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=usable_cores(), help="processes")
    parser.add_argument("--resume", action="store_true", help="go on where it was stopped")
    arguments = parser.parse_args()
    be_quiet()
    configure_logs(level="ERROR")
    folder = arguments.json.with_suffix("")
    if not arguments.resume:
        shutil.rmtree(folder, ignore_errors=True)
    comparisons = [_compare(suite, folder, arguments) for suite in arguments.suites.split(",")]
    report = {
        "benchmark": "stitching",
        "comparisons": comparisons,
        "machine": describe_machine(),
    }
    write_json(report, arguments.json)


def _compare(suite: str, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    from rich.console import Console

    grid = stitch_grid(
        suite=suite,
        episodes=arguments.episodes,
        seed=arguments.seed,
        preset=find_suite(suite).preset,
        overrides=arguments.set,
        stitchers=parse_stitchers(arguments.stitchers),
        delays_ms=parse_delays_ms(arguments.policy_delay_ms),
    )
    report = compare_stitchers(
        grid,
        folder / f"{suite}.json",
        workers=arguments.workers,
        resume=arguments.resume,
        leave_out=arguments.stitchers == ALL,
        on_progress=tell_cell,
    )
    picture = f"{arguments.json.stem}-{suite}.png"
    draw_comparison(report, arguments.json.with_name(picture))
    Console().print(render_comparison(report))
    return {**report, "picture": picture}


if __name__ == "__main__":
    main()
