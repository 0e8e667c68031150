from collections.abc import Iterator

import pytest
import structlog
from virtual_traces import EVERYTHING, goal, record

from agent.tracing.runs import Run


@pytest.fixture(autouse=True)
def _loud_logs() -> Iterator[None]:
    """A command that was run in a test leaves its logs where the test's output was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A point arm that reached left, right and home, with each of its observations."""
    return record(tmp_path_factory.mktemp("runs") / "all", length_s=8.0, settings=(EVERYTHING,))


@pytest.fixture(scope="session")
def short(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A point arm that is on its way to the left, recorded as it usually is."""
    return record(tmp_path_factory.mktemp("runs") / "short", goal("reach left"), length_s=1.2)
