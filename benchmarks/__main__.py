"""Runs every benchmark in a process of its own, then fills in the page; `make bench` is this.

    python -m benchmarks [NAME ...] [--out FOLDER] [--no-page] [--list]

Each benchmark is a program too: `python -m benchmarks.NAME --json FILE`, and `--help` says more.
"""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_OUT = Path("runs") / "bench"
# These are no benchmarks: this program, and the one that turns figures into a page.
_OTHERS = ("__init__", "__main__", "report")


def benchmark_names() -> list[str]:
    """The benchmarks of this folder, in the order in which they run."""
    return sorted(path.stem for path in _HERE.glob("*.py") if path.stem not in _OTHERS)


def main() -> int:
    """Run what was asked for; a benchmark that fails does not keep the others from running."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all by default")
    parser.add_argument("--out", type=Path, default=_OUT, help="where the figures go")
    parser.add_argument("--no-page", action="store_true", help="leave docs/performance.md alone")
    parser.add_argument("--list", action="store_true", help="say which there are, and end")
    arguments = parser.parse_args()
    known = benchmark_names()
    if arguments.list:
        print("\n".join(f"{name:20} {_first_line(name)}" for name in known))
        return 0
    for name in arguments.names:
        if name not in known:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(known)}")
    return _run_all(arguments.names or known, arguments.out, with_page=not arguments.no_page)


def _run_all(names: list[str], out: Path, *, with_page: bool) -> int:
    out.mkdir(parents=True, exist_ok=True)
    failed = [name for name in names if not _run(f"benchmarks.{name}", out / f"{name}.json")]
    if with_page and not _run("benchmarks.report", out):
        failed.append("report")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def _run(module: str, target: Path) -> bool:
    print(f"== {module}", flush=True)
    option = "--from" if module.endswith("report") else "--json"
    # Long ones bring their own limits; whoever runs them all can always press Ctrl-C.
    done = subprocess.run(  # noqa: S603  # Our own modules.
        [sys.executable, "-m", module, option, str(target)],
        check=False,
    )
    return done.returncode == 0


def _first_line(name: str) -> str:
    text = (_HERE / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
