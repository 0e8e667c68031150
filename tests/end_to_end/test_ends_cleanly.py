import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from agent.embedded_ray import sweep_stale_runs
from agent.recording.reading import Trace
from bridge.transports.segments import list_segments, sweep_stale_segments

pytestmark = [pytest.mark.ray, pytest.mark.slow]
DRIVER = Path(__file__).with_name("driver.py")
Driver = subprocess.Popen[str]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """An agent in a program of its own, as from a terminal, once its loop runs."""
    settings = [
        "fast_brain.mode=flat",
        "robot.kind=telling_arm:TellingArm",
        f"robot.options={{diary: {tmp_path / 'diary'}}}",
    ]
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), str(tmp_path / "trace"), "point_arm", *settings],
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
def test_an_interrupted_run_leaves_nothing_behind(
    driver: Driver, number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C, which reaches every process of the terminal, and a termination end a run cleanly.

    The robot was held and let go, the trace is whole, and nothing is left.
    """
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
    assert segments(driver.pid) == []
    told = (tmp_path / "diary").read_text().splitlines()
    assert told == ["stop: it was asked to", "stop: the run ends", "close"]
    trace = Trace(tmp_path / "trace")
    assert [event.kind for event in trace] != []
    assert trace.is_complete


def test_a_killed_run_is_cleaned_up_by_the_next(driver: Driver, tmp_path: Path) -> None:
    """After `kill -9` the robot is stopped and let go; what is left goes when a run is started."""
    children = family(driver.pid)
    nodes = [child for child in children if child.name().startswith("ray::NodeProc")]
    assert len(nodes) == 5
    driver.kill()
    driver.wait(5)
    _, left = psutil.wait_procs(nodes, timeout=10)
    assert left == []
    told = (tmp_path / "diary").read_text().splitlines()
    assert told == ["stop: the run ends", "close"]
    assert folders(driver.pid) != []
    assert segments(driver.pid) != []

    sweep_stale_runs()
    sweep_stale_segments()
    _, left = psutil.wait_procs(children, timeout=5)
    assert left == []
    assert folders(driver.pid) == []
    assert segments(driver.pid) == []
    # What was recorded until then can be read.
    assert [event.kind for event in Trace(tmp_path / "trace")] != []


def segments(pid: int) -> list[Path]:
    """What a program keeps in shared memory."""
    return [path for path in list_segments() if f"-{pid}-" in path.name]
