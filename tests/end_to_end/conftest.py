"""The same agent on both runtimes: `start_agent` gives a run that has begun, and ends it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Every process of a run must find the plug-ins beside this file.
sys.path.insert(0, str(Path(__file__).parent))

from starting import StartAgent, make_runtime

from agent.runtime import Runtime


@pytest.fixture(params=["local", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])])
def kind(request: pytest.FixtureRequest) -> str:
    """Which runtime the test runs on."""
    return str(request.param)


@pytest.fixture
def start_agent(kind: str) -> Iterator[StartAgent]:
    """Start a preset with overrides; whatever the test does, the run is ended."""
    runs: list[Runtime] = []

    def start(preset: str, *overrides: str) -> Runtime:
        run = make_runtime(kind, preset, *overrides)
        runs.append(run)
        run.start()
        return run

    yield start
    for run in runs:
        run.stop()
