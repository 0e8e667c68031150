"""Reads a recorded folder as somebody would who has only pyarrow, Pillow and the v3 layout."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from agent.demos.dataset import write_episode
from agent.demos.metadata import write_metadata
from agent.demos.series import record_series
from bridge import ConfigError

pytestmark = pytest.mark.sim


@pytest.fixture
def folder(tmp_path: Path, quick_recorders: None) -> Path:
    """A short series."""
    return record_series(tmp_path, 5, seed=8)


def info_of(folder: Path) -> dict[str, Any]:
    """The description that a reader opens first."""
    return json.loads((folder / "meta" / "info.json").read_text())


def episodes_of(folder: Path) -> list[dict[str, Any]]:
    """The table of episodes."""
    return pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()


def test_every_frame_is_found_through_the_metadata(folder: Path) -> None:
    """Following info.json and the episodes' table, all frames are there, numbered without a gap."""
    info = info_of(folder)
    assert info["codebase_version"] == "v3.0"
    seen: list[int] = []
    for episode in episodes_of(folder):
        path = folder / info["data_path"].format(
            chunk_index=episode["data/chunk_index"], file_index=episode["data/file_index"]
        )
        rows = pq.read_table(path, columns=["index", "episode_index"]).to_pylist()
        assert len(rows) == episode["length"]
        assert all(row["episode_index"] == episode["episode_index"] for row in rows)
        bounds = range(episode["dataset_from_index"], episode["dataset_to_index"])
        assert [row["index"] for row in rows] == list(bounds)
        seen += bounds
    assert seen == list(range(info["total_frames"]))
    assert len(episodes_of(folder)) == info["total_episodes"] == 5


def test_tasks_name_the_goals(folder: Path) -> None:
    """The number of a frame's task leads to the words of its episode's goal."""
    tasks = pq.read_table(folder / "meta/tasks.parquet")
    text_by_number = {row["task_index"]: row["task"] for row in tasks.to_pylist()}
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert len(text_by_number) == info_of(folder)["total_tasks"]
    for episode in episodes_of(folder):
        if episode["length"]:
            path = folder / f"data/chunk-000/file-{episode['data/file_index']:03d}.parquet"
            numbers = set(pq.read_table(path, columns=["task_index"])["task_index"].to_pylist())
            assert [text_by_number[number] for number in numbers] == episode["tasks"]


def test_features_describe_the_columns(folder: Path) -> None:
    """Every column is described, with the shape that its values have; pictures decode."""
    features = info_of(folder)["features"]
    table = pq.read_table(folder / "data/chunk-000/file-000.parquet")
    assert set(features) == set(table.column_names)
    row = table.to_pylist()[0]
    for name, feature in features.items():
        if feature["dtype"] == "image":
            with Image.open(io.BytesIO(row[name]["bytes"])) as image:
                assert image.format == "PNG"
                assert list(np.asarray(image).shape) == feature["shape"]
        elif feature["shape"] not in ([1], [-1]):
            assert [len(row[name])] == feature["shape"]
            assert len(feature["names"]) == len(row[name])
    decoders = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert decoders["observation.images.front"] == {"_type": "Image"}


def test_statistics_are_those_of_all_frames(folder: Path) -> None:
    """Merged from episodes, the statistics equal those of all frames in one list."""
    found = json.loads((folder / "meta/stats.json").read_text())
    actions = np.concatenate(
        [
            np.array(rows, np.float64).reshape(-1, 5)
            for rows in (
                pq.read_table(path, columns=["action"])["action"].to_pylist()
                for path in sorted(folder.glob("data/chunk-000/*.parquet"))
            )
        ]
    )
    assert found["action"]["mean"] == pytest.approx(actions.mean(axis=0))
    assert found["action"]["std"] == pytest.approx(actions.std(axis=0))
    assert found["action"]["max"] == pytest.approx(actions.max(axis=0))
    assert found["action"]["count"] == [len(actions)]
    assert np.array(found["observation.images.front"]["mean"]).shape == (3, 1, 1)


def test_describing_again_changes_nothing(folder: Path) -> None:
    """The metadata is a function of the episodes."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write_metadata(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_gap_is_refused(tmp_path: Path) -> None:
    """A series with a hole in it is not described as if it were whole."""
    write_episode(tmp_path, 1, [], {"goal_text": "open it"})
    with pytest.raises(ConfigError, match="lacks number 0"):
        write_metadata(tmp_path)
    assert not (tmp_path / "meta").exists()
