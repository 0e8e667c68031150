"""Fixtures and settings shared by all tests."""

import os
import signal

import pytest
import structlog
from hypothesis import settings

from bridge.clock import ManualClock

# Before anything imports MuJoCo or Ray: both read these once.
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

# Started in the background, as some CI systems do, this process ignores Ctrl-C, and so would every
# program that a test starts to press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Contract suites assert outside of test files; this makes their failures say the values.
pytest.register_assert_rewrite("bridge.testing")

# The same examples on every run and every machine; a failure prints how to run it again.
settings.register_profile("tandem", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("tandem")


@pytest.fixture(autouse=True)
def _logs_as_they_come() -> None:  # pyright: ignore[reportUnusedFunction]  # Pytest calls it.
    """No test inherits the level of logs that a command in another one has asked for."""
    structlog.reset_defaults()


@pytest.fixture
def clock() -> ManualClock:
    """Virtual time that starts at one second, so that a forgotten stamp of zero stands out."""
    return ManualClock(start_ns=1_000_000_000)
