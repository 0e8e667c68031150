"""One recorded run for all tests here: none of them changes it."""

from pathlib import Path

import pytest
from pictured_traces import pictured_run

from agent.exporting.stretch import Stretch, stretch_of
from agent.tracing.runs import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The usual story of one goal, seen by two cameras."""
    return pictured_run(tmp_path_factory.mktemp("runs") / "20260101-120000")


@pytest.fixture(scope="session")
def stretch(run: Run) -> Stretch:
    """All of it."""
    return stretch_of(run)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "exported"
