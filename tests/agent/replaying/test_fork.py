from pathlib import Path

import pytest

from agent.replaying.fork import fork
from agent.tracing.runs import Run


def test_from_the_beginning_nothing_changed_is_the_same_to_the_last_command(
    everything: Run, tmp_path: Path
) -> None:
    """A fork at the first moment is the run itself: what happened, and each action."""
    found = fork(everything, 0.0, lambda: tmp_path / "fork", tolerance=0.0)
    assert found.difference.divergences == []
    assert (found.at_s, found.state_s) == (0.0, 0.0)
    assert found.outcomes == ("done", "done")
    assert found.world == {}


@pytest.mark.parametrize("at_s", [0.7, 2.505])
def test_from_the_middle_nothing_changed_comes_out_the_same(
    everything: Run, tmp_path: Path, at_s: float
) -> None:
    """Wherever it begins, the same subtasks follow and the world ends as it did."""
    found = fork(everything, at_s, lambda: tmp_path / "fork")
    assert found.at_s == pytest.approx(at_s, abs=0.01)
    assert found.outcomes == ("done", "done")
    assert found.world == {}
