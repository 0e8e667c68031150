"""What do open tabs of the page cost: the control loop's lateness, and the server's processor time.

`agent serve` as a program of its own with a robot at work, and Chromium with no tab, one and ten.
Each situation gets a server of its own, by turns, because the loop's figures are since its start.
The browser yields to everything else (nice 19), as one on another machine would. Beside it, what as
many listeners of `/events` cost, which need no browser.

    python -m benchmarks.page_tabs --json page_tabs.json
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from benchmarks.support.latencies import write_json
from benchmarks.support.machine import describe_machine
from benchmarks.support.quiet import be_quiet
from bridge.errors import ConfigError

SITUATIONS = (("tabs", 0), ("tabs", 1), ("tabs", 10), ("listeners", 10))
GOAL_RATIO = 1.5
_START_LIMIT_S, _LIMIT_S = 120.0, 30.0
_LOWEST_NICE = 19
_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Served(NamedTuple):
    """A server, by its address and its process."""

    address: str
    process: psutil.Process


def main() -> None:
    """Measure each situation by turns, print a table, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each turn")
    parser.add_argument("--turns", type=int, default=3, help="of each situation")
    parser.add_argument("--preset", default="point_arm")
    arguments = parser.parse_args()
    be_quiet()
    rows: list[dict[str, Any]] = []
    for turn in range(arguments.turns):
        for kind, count in SITUATIONS:
            row = measure(arguments.preset, kind, count, arguments.seconds)
            rows.append({"turn": turn + 1, **row})
            print(rows[-1], flush=True)
    report = make_report(rows, arguments.seconds)
    print_table(report)
    if arguments.json is not None:
        write_json(report, arguments.json)


def measure(preset: str, kind: str, count: int, seconds: float) -> dict[str, Any]:
    """One turn of one situation."""
    with _served(preset) as served, httpx.Client(base_url=served.address, timeout=_LIMIT_S) as http:
        http.post("/goals", json={"text": "reach both"}).raise_for_status()
        watching = _tabs(served.address, count) if kind == "tabs" else _listening(http, count)
        with watching:
            began, cost_s = time.perf_counter(), _cpu_s(served.process)
            threading.Event().wait(timeout=seconds)
            passed_s = time.perf_counter() - began
            cost_s = _cpu_s(served.process) - cost_s
            loop = http.get("/status").json()["loop"]
    return {
        "watched_by": f"{count} {kind}",
        "server_cpu_share": cost_s / passed_s,
        "lateness_p50_ms": loop["lateness_p50_ms"],
        "lateness_p99_ms": loop["lateness_p99_ms"],
        "lateness_max_ms": loop["lateness_max_ms"],
        "missed_ticks": loop["missed_ticks"],
    }


@contextlib.contextmanager
def _served(preset: str) -> Generator[Served]:
    """`agent serve` for as long as the block lasts.

    Raises:
        ConfigError: It did not start.
    """
    options = ["--preset", preset, "--port", "0", "--set", "recording.enabled=false"]
    program = subprocess.Popen(  # noqa: S603  # Our own command.
        [sys.executable, "-m", "agent.cli", "serve", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    limit = threading.Timer(_START_LIMIT_S, program.kill)
    limit.start()
    try:
        served = _heard(program)
        limit.cancel()
        yield served
    finally:
        limit.cancel()
        program.terminate()
        program.communicate(timeout=_LIMIT_S)


def _heard(program: subprocess.Popen[str]) -> Served:
    """Read what it says until it names its address."""
    for line in program.stdout or ():
        if "HTTP interface" in line:
            return Served(line.split()[-1], psutil.Process(program.pid))
    raise ConfigError("`agent serve` did not start; what went wrong stands above.")


@contextlib.contextmanager
def _tabs(address: str, count: int) -> Generator[None]:
    """So many tabs of a real browser, each drawn before the measuring begins.

    Raises:
        ConfigError: There is no browser.
    """
    if not count:
        yield
        return
    if _CHROMIUM is None:
        raise ConfigError("There is no Chromium to open tabs with: apt-get install chromium.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        for _ in range(count):
            page = context.new_page()
            page.goto(address)
            page.wait_for_function("() => window.did_handshake")
        for process in psutil.Process().children(recursive=True):
            if "chrom" in process.name():
                process.nice(_LOWEST_NICE)
        yield
        browser.close()


@contextlib.contextmanager
def _listening(http: httpx.Client, count: int) -> Generator[None]:
    """So many programs that listen to `/events`, in threads here."""
    over = threading.Event()

    def listen() -> None:
        with http.stream("GET", "/events") as events:
            for _ in events.iter_lines():
                if over.is_set():
                    return

    threads = [threading.Thread(target=listen) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=_LIMIT_S)


def _cpu_s(process: psutil.Process) -> float:
    """Processor time that the server itself has taken [s]; its nodes are other processes."""
    times = process.cpu_times()
    return times.user + times.system


def make_report(rows: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """The medians of the turns, and what ten tabs are to none."""
    names = list(dict.fromkeys(row["watched_by"] for row in rows))
    summary = [_median(name, [row for row in rows if row["watched_by"] == name]) for name in names]
    by_name = {row["watched_by"]: row for row in summary}
    none, ten = by_name["0 tabs"], by_name["10 tabs"]
    return {
        "benchmark": "page_tabs",
        "seconds": seconds,
        "p99_ratio_ten_tabs_to_none": ten["lateness_p99_ms"] / none["lateness_p99_ms"],
        "server_cpu_share_of_ten_tabs": ten["server_cpu_share"],
        "medians": summary,
        "turns": rows,
        "goals": {"p99_ratio_ten_tabs_to_none": {"at_most": GOAL_RATIO}},
        "machine": describe_machine(),
    }


def _median(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    keys = [key for key in rows[0] if key not in ("watched_by", "turn")]
    middle = {key: sorted(row[key] for row in rows)[len(rows) // 2] for key in keys}
    return {"watched_by": name, **middle}


def print_table(report: dict[str, Any]) -> None:
    """The medians, for the terminal."""
    print(f"{'watched by':16}{'server':>9}{'late p50':>11}{'p99':>9}{'max':>9}{'missed':>8}")
    for row in report["medians"]:
        print(
            f"{row['watched_by']:16}{row['server_cpu_share']:9.1%}{row['lateness_p50_ms']:8.3f} ms"
            f"{row['lateness_p99_ms']:9.3f}{row['lateness_max_ms']:9.3f}{row['missed_ticks']:8d}"
        )


if __name__ == "__main__":
    main()
