"""What do the engines cost over the bare generate, and how soon do they say something?

One table of both engines on the shipped weights: time to the first thought, tokens a second, the
time of a plan, memory, start-up, and what a plan's token costs over one of the bare model:
transformers' own `generate`, or vLLM's own `AsyncLLM.generate`.

    python -m benchmarks.engines [--json FILE]

vLLM has an environment of its own, which `make test-vllm` makes; where there is none, the table
says so. Each engine is measured in a fresh process by `benchmarks.support.engine_figures`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.support.latencies import write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.markdown import cell, heading

_ROOT = Path(__file__).parent.parent
_VLLM_PYTHON = _ROOT / ".venv-vllm" / "bin" / "python"
_MOST_OVER_BARE = 1.03
# A start takes a minute the first time, and a plan a second on a slow machine.
_LIMIT_S = 1800.0


def main() -> None:
    """Measure each engine that is there, and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plans", type=int, default=30, help="how many are timed")
    parser.add_argument("--vllm-python", type=Path, default=_VLLM_PYTHON, help="where vLLM is")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pythons = {"transformers": Path(sys.executable), "vllm": options.vllm_python}
    found, left_out = dict[str, Any](), dict[str, str]()
    for engine, python in pythons.items():
        if not python.is_file():
            left_out[engine] = f"there is no {python}: `make test-vllm` makes it"
            continue
        print(f"measuring {engine} …", file=sys.stderr, flush=True)
        found[engine] = figures_of_engine(engine, python, options.plans)
    report = make_report(found, left_out)
    print_table(report)
    if options.json:
        write_json(report, options.json)


def figures_of_engine(engine: str, python: Path, plans: int) -> dict[str, float]:
    """Measure one engine in a process of the Python that has it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "figures.json"
        words = ["-m", "benchmarks.support.engine_figures", "--engine", engine]
        words += ["--plans", str(plans), "--json", str(target)]
        # One thread for either engine: beside a running robot there is no second core.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(  # noqa: S603  # Our own module.
            [str(python), *words], check=True, cwd=_ROOT, env=environment, timeout=_LIMIT_S
        )
        return json.loads(target.read_text(encoding="utf-8"))


def make_report(
    found: Mapping[str, Mapping[str, float]], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """The figures of every engine, and the worst of them beside the goal."""
    worst = max(one["plan_over_bare_generate"] for one in found.values())
    return {
        "benchmark": "engines",
        "goals": {"most_plan_over_bare_generate": {"at_most": _MOST_OVER_BARE}},
        "most_plan_over_bare_generate": worst,
        "engines": dict(found),
        "not_measured": [{"engine": name, "why": why} for name, why in left_out.items()],
        "machine": describe_machine(),
    }


def print_table(report: Mapping[str, Any]) -> None:
    """A line for each figure, a column for each engine."""
    engines: Mapping[str, Mapping[str, float]] = report["engines"]
    print(f"{'':32}" + "".join(f"{name:>16}" for name in engines))
    for key in next(iter(engines.values())):
        print(f"{heading(key):32}" + "".join(f"{cell(one[key]):>16}" for one in engines.values()))
    for one in report["not_measured"]:
        print(f"{one['engine']} is not measured: {one['why']}.")


if __name__ == "__main__":
    main()
