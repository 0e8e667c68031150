"""Runs every benchmark, one after the other; `make bench` is this."""

import runpy
import sys
from pathlib import Path


def main() -> None:
    """Run each module of this folder as a program."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    for name in names:
        print(f"== benchmarks.{name}")
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
