import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge.transports.segments import list_segments, sweep_stale_segments

pytestmark = [pytest.mark.ray, pytest.mark.slow]
DRIVER = Path(__file__).with_name("driver.py")
Driver = subprocess.Popen[str]


@pytest.fixture
def driver() -> Iterator[Driver]:
    """An agent in a program of its own, as from a terminal, once its loop runs."""
    settings = ["fast_brain.mode=flat"]
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), "point_arm", *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line == "running\n", line + process.stdout.read()
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def family(pid: int) -> list[psutil.Process]:
    """All processes that a program has started, and those they have."""
    return psutil.Process(pid).children(recursive=True)


def folders(pid: int) -> list[Path]:
    """What a program's Ray keeps on disk."""
    return list(Path(tempfile.gettempdir()).glob(f"tandem-ray-{pid}-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(driver: Driver, number: signal.Signals) -> None:
    """Ctrl-C, which reaches every process of the terminal, and a termination end a run cleanly."""
    children = family(driver.pid)
    assert folders(driver.pid) != []
    if number == signal.SIGINT:
        os.killpg(driver.pid, number)
    else:
        driver.send_signal(number)
    output, _ = driver.communicate(timeout=25)
    assert output.splitlines() == ["interrupted", "ended: it was asked to"]
    assert driver.returncode == 0
    _, left = psutil.wait_procs(children, timeout=5)
    assert left == []
    assert folders(driver.pid) == []
    assert [path for path in list_segments() if f"-{driver.pid}-" in path.name] == []


def test_a_killed_run_ends_its_processes(driver: Driver) -> None:
    """After `kill -9` no node goes on, and what is left in memory is swept by the next run."""
    children = family(driver.pid)
    nodes = [child for child in children if child.name().startswith("ray::NodeProc")]
    assert len(nodes) == 4
    driver.kill()
    driver.wait(5)
    try:
        _, left = psutil.wait_procs(nodes, timeout=10)
        assert left == []
    finally:
        # Ray's own agents end by themselves, but take a minute to notice.
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    assert [path for path in list_segments() if f"-{driver.pid}-" in path.name] != []
    sweep_stale_segments()
    assert [path for path in list_segments() if f"-{driver.pid}-" in path.name] == []
    for folder in folders(driver.pid):
        shutil.rmtree(folder)
