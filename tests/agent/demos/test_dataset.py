from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.demos import dataset
from agent.demos.dataset import (
    decode_image,
    encode_image,
    episode_path,
    read_episode,
    recorded_episodes,
    write_episode,
)


def example_row(index: int) -> dict[str, Any]:
    """A row that fits the schema."""
    picture = encode_image(np.zeros((96, 96, 3), np.uint8))
    return {
        "observation.images.front": picture,
        "observation.images.wrist": picture,
        "observation.state": [0.0] * 11,
        "action": [0.0] * 5,
        "timestamp": index / 20,
        "frame_index": index,
        "episode_index": 0,
        "index": index,
        "task_index": 0,
        "subtask": "open the drawer",
        "segment_index": 0,
        "finished": [],
        "is_subtask_done": False,
        "is_hovering": False,
        "disturbance": "",
        "facts": "{}",
    }


@given(image=arrays(np.uint8, (4, 5, 3)))
def test_pictures_come_back(image: np.ndarray) -> None:
    """A picture is stored without loss."""
    cell = encode_image(image)
    assert np.array_equal(decode_image(cell["bytes"]), image)


@given(episode=st.integers(0, 999_999))
def test_episodes_lie_a_thousand_to_a_folder(episode: int) -> None:
    """The path of an episode says its number, a thousand files to a chunk."""
    path = episode_path(Path("root"), episode)
    assert int(path.parent.name.removeprefix("chunk-")) == episode // 1000
    assert int(path.stem.removeprefix("file-")) == episode % 1000


def test_an_episode_and_its_story_come_back(tmp_path: Path) -> None:
    """Rows and description are read as they were written."""
    write_episode(tmp_path, 3, [example_row(0), example_row(1)], {"goal_text": "open it"})
    table, info = read_episode(tmp_path, 3)
    assert info == {"goal_text": "open it"}
    assert table["frame_index"].to_pylist() == [0, 1]
    assert recorded_episodes(tmp_path) == [3]


def test_a_write_cut_short_leaves_no_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that dies half-way leaves nothing that looks like an episode."""

    def die(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(dataset.pq, "write_table", die)
    with pytest.raises(OSError, match="disk full"):
        write_episode(tmp_path, 0, [example_row(0)], {})
    assert recorded_episodes(tmp_path) == []
