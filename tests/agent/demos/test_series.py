from pathlib import Path

import pytest

from agent.demos.dataset import episode_path, read_episode, recorded_episodes
from agent.demos.series import Progress, record_series
from bridge import ConfigError

pytestmark = pytest.mark.sim

SEED = 8
# Its first two episodes take four seconds each: one subtask, nothing goes wrong.
SHORT_SEED = 118


class Interrupted(Exception):  # noqa: N818  # Stands for Ctrl-C.
    """The operator had enough."""


def actions(root: Path) -> list[object]:
    """The actions and states of every episode."""
    return [
        read_episode(root, episode)[0].select(["action", "observation.state"]).to_pydict()
        for episode in recorded_episodes(root)
    ]


@pytest.mark.usefixtures("quick_recorders")
def test_interrupted_series_goes_on_without_loss(tmp_path: Path) -> None:
    """Stopped after an episode and started again, a series is the same as one in a single go."""

    def interrupt(progress: Progress) -> None:
        if progress.done == 2:
            raise Interrupted

    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    with pytest.raises(Interrupted):
        record_series(stopped, 4, SEED, on_progress=interrupt)
    assert recorded_episodes(stopped) == [0, 1]
    (stopped / "data" / "chunk-000" / "file-002.partial").write_bytes(b"half an episode")
    seen: list[int] = []
    record_series(stopped, 4, SEED, on_progress=lambda progress: seen.append(progress.episode))
    record_series(whole, 4, SEED)
    assert seen == [2, 3]
    assert actions(stopped) == actions(whole)
    assert not list(stopped.rglob("*.partial"))


@pytest.mark.usefixtures("quick_recorders")
def test_a_finished_series_is_left_alone(tmp_path: Path) -> None:
    """Asking again for what is there records nothing and rewrites no episode."""
    record_series(tmp_path, 2, SEED)
    before = episode_path(tmp_path, 0).stat().st_mtime_ns
    seen: list[Progress] = []
    record_series(tmp_path, 2, SEED, on_progress=seen.append)
    assert seen == []
    assert episode_path(tmp_path, 0).stat().st_mtime_ns == before


@pytest.mark.usefixtures("quick_recorders")
def test_a_series_grows(tmp_path: Path) -> None:
    """Asking for more adds episodes and describes them all."""
    record_series(tmp_path, 1, SEED)
    record_series(tmp_path, 3, SEED)
    assert recorded_episodes(tmp_path) == [0, 1, 2]


@pytest.mark.usefixtures("quick_recorders")
def test_two_series_do_not_mix(tmp_path: Path) -> None:
    """A folder of another seed, or with more episodes, is refused with what to do."""
    record_series(tmp_path, 2, SEED)
    with pytest.raises(ConfigError, match="seed 8 of scene tasks, and seed 9 of scene tasks"):
        record_series(tmp_path, 2, SEED + 1)
    with pytest.raises(ConfigError, match="Ask for 2 or more"):
        record_series(tmp_path, 1, SEED)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_number_of_workers_leaves_no_trace(tmp_path: Path) -> None:
    """Two processes record the same series as one, to the last bit."""
    pytest.importorskip("ogbench")
    record_series(tmp_path / "one", 2, SHORT_SEED, workers=1)
    record_series(tmp_path / "two", 2, SHORT_SEED, workers=2)
    assert actions(tmp_path / "one") == actions(tmp_path / "two")
