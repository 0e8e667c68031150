import subprocess
import sys
from collections.abc import Iterator

import pytest

from bridge import ConfigError, RobotBusyError
from fast_brain.robots.scene_lock import RobotLock

HOLD = """
import sys
from fast_brain.robots.scene_lock import RobotLock
RobotLock("test_scene_lock").take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the robot, and dies without a word when told."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=10)


def test_second_process_is_refused_by_number(holder: "subprocess.Popen[str]") -> None:
    """The refusal names the process that drives the robot."""
    with pytest.raises(RobotBusyError) as caught:
        RobotLock("test_scene_lock").take()
    assert caught.value.pid == holder.pid


def test_crash_of_the_holder_frees_the_robot(holder: "subprocess.Popen[str]") -> None:
    """After `kill -9` of its master the robot can be taken at once."""
    holder.kill()
    holder.wait(timeout=10)
    lock = RobotLock("test_scene_lock")
    lock.take()
    lock.free()


def test_second_object_of_this_process_is_refused() -> None:
    """The lock also keeps out its own process, until it is freed."""
    first, second = RobotLock("test_scene_lock.here"), RobotLock("test_scene_lock.here")
    first.take()
    with pytest.raises(RobotBusyError):
        second.take()
    first.free()
    first.free()
    second.take()
    second.free()


def test_a_lock_that_cannot_be_written_says_so(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temp directory that is not there is a setting to change, not a crash."""
    monkeypatch.setattr("tempfile.tempdir", f"{tmp_path}/missing")
    with pytest.raises(ConfigError, match="Cannot open the lock"):
        RobotLock("test_scene_lock.nowhere").take()


def test_names_become_file_names() -> None:
    """A robot may be called anything; its lock stays inside the temp directory."""
    assert RobotLock("../../etc/passwd").path.parent == RobotLock("arm").path.parent
