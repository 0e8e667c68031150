"""Describes a recorded folder as a LeRobotDataset v3, so that it reads without our code.

    meta/info.json                              features, rate, where the files are
    meta/tasks.parquet                          goal texts and their numbers
    meta/episodes/chunk-000/file-000.parquet    length, task and file of each episode
    meta/stats.json                             range, mean and spread of each feature

Recording knows neither the number of a task nor the frames before an episode, so `index` and
`task_index` are filled in here, once all episodes are there.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agent.demos.dataset import (
    EPISODES_PER_CHUNK,
    episode_path,
    read_episode,
    recorded_episodes,
    write_rows,
)
from agent.demos.features import SCENE_FORM, DatasetForm
from agent.demos.statistics import FeatureStatistics, summarize_numbers, summarize_pictures
from bridge import ConfigError

CODEBASE_VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
# Pictures looked at for the statistics, per episode.
_PICTURES_PER_EPISODE = 4


class _Episode(NamedTuple):
    number: int
    info: dict[str, Any]
    first_index: int
    length: int
    task_index: int


def write_metadata(root: Path, form: DatasetForm = SCENE_FORM) -> None:
    """Write `meta/` for the episodes of a folder; writing it again changes nothing.

    Args:
        root: The folder.
        form: What its episodes have in common.

    Raises:
        ConfigError: Nothing is recorded, or an episode is missing between others.
    """
    numbers = recorded_episodes(root)
    if not numbers or numbers[-1] != len(numbers) - 1:
        missing = sorted(set(range(max(numbers, default=0) + 1)) - set(numbers))
        raise ConfigError(
            f"{root} has {len(numbers)} episodes and lacks number {missing[0]}. "
            "Record the series to its end first."
        )
    task_by_text: dict[str, int] = {}
    episodes: list[_Episode] = []
    statistics: list[dict[str, FeatureStatistics]] = []
    first_index = 0
    for number in numbers:
        table, info = read_episode(root, number)
        task = task_by_text.setdefault(info["goal_text"], len(task_by_text))
        episode = _Episode(number, info, first_index, table.num_rows, task)
        numbered = _number_rows(root, episode, table, form)
        statistics.append(_summarize(numbered, form))
        episodes.append(episode)
        first_index += table.num_rows
    meta = root / "meta"
    write_texts(task_by_text, "task", meta / "tasks.parquet")
    _write_table(_episodes_table(episodes, statistics), root / _EPISODES_PATH)
    _write_json(_merge(statistics), meta / "stats.json")
    # Last, since a reader looks for this one first.
    _write_json(_describe(episodes, len(task_by_text), form), meta / "info.json")


def _number_rows(root: Path, episode: _Episode, table: pa.Table, form: DatasetForm) -> pa.Table:
    """Give an episode's rows their place in the whole; rewrite the file if they lacked it."""
    index = np.arange(episode.first_index, episode.first_index + episode.length)
    wanted = {"index": index, "task_index": np.full(episode.length, episode.task_index)}
    metadata = dict(table.schema.metadata) | {b"huggingface": form.hugging_face_features()}
    is_numbered = all(np.array_equal(table[name].to_numpy(), wanted[name]) for name in wanted)
    if is_numbered and b"huggingface" in table.schema.metadata:
        return table
    for name, values in wanted.items():
        position = table.column_names.index(name)
        table = table.set_column(position, table.schema.field(name), pa.array(values, pa.int64()))
    table = table.replace_schema_metadata(metadata)
    write_rows(episode_path(root, episode.number), table)
    return table


def _summarize(table: pa.Table, form: DatasetForm) -> dict[str, FeatureStatistics]:
    """Statistics of one episode; none of an episode without frames."""
    if table.num_rows == 0:
        return {}
    found = {
        name: summarize_numbers(np.array(table[name].to_pylist(), np.float64))
        for name in form.numbers
    }
    every = max(1, table.num_rows // _PICTURES_PER_EPISODE)
    some = table.slice(0).take(pa.array(range(0, table.num_rows, every)))
    for name in form.pictures:
        found[name] = summarize_pictures([cell["bytes"] for cell in some[name].to_pylist()])
    return found


def _merge(statistics: list[dict[str, FeatureStatistics]]) -> dict[str, Any]:
    kept = [found for found in statistics if found]
    names = kept[0] if kept else ()
    return {
        name: FeatureStatistics.merge([found[name] for found in kept]).as_lists() for name in names
    }


def write_texts(number_by_text: Mapping[str, int], what: str, path: Path) -> None:
    """Write what is said in a dataset, each text once, and the numbers that rows name them by.

    Args:
        number_by_text: The numbers count from 0 in the order of the texts.
        what: What a text is: "task" or "subtask".
        path: `tasks.parquet`, or alike.
    """
    index = f"{what}_index"
    table = pa.Table.from_pydict(
        {
            index: pa.array(list(number_by_text.values()), pa.int64()),
            what: pa.array(list(number_by_text), pa.string()),
        }
    )
    # Says that the text is the index: LeRobot looks texts up in it through pandas.
    columns = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": numpy_kind,
            "metadata": None,
        }
        for name, kind, numpy_kind in (
            (index, "int64", "int64"),
            (what, "unicode", "object"),
        )
    ]
    pandas = {"index_columns": [what], "column_indexes": [], "columns": columns}
    _write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _episodes_table(
    episodes: list[_Episode], statistics: list[dict[str, FeatureStatistics]]
) -> pa.Table:
    rows = [
        _episode_row(episode) | _statistics_columns(found)
        for episode, found in zip(episodes, statistics, strict=True)
    ]
    # An episode without frames has no statistics; all rows name all columns.
    names = list(dict.fromkeys(name for row in rows for name in row))
    # A list without words would be one of nothing.
    lists = ("tasks", "subtasks", "disturbances")
    types: dict[str, pa.DataType] = dict.fromkeys(lists, pa.list_(pa.string()))
    columns = {name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}
    return pa.Table.from_pydict(columns)


def _episode_row(episode: _Episode) -> dict[str, Any]:
    chunk, file = divmod(episode.number, EPISODES_PER_CHUNK)
    return {
        "episode_index": episode.number,
        "tasks": [episode.info["goal_text"]],
        "length": episode.length,
        "dataset_from_index": episode.first_index,
        "dataset_to_index": episode.first_index + episode.length,
        "data/chunk_index": chunk,
        "data/file_index": file,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        "success": bool(episode.info["success"]),
        "subtasks": episode.info["subtasks"],
        "disturbances": episode.info.get("disturbances", []),
    }


def _statistics_columns(found: dict[str, FeatureStatistics]) -> dict[str, Any]:
    return {
        f"stats/{feature}/{name}": values
        for feature, statistics in found.items()
        for name, values in statistics.as_lists().items()
    }


def _describe(episodes: list[_Episode], tasks: int, form: DatasetForm) -> dict[str, Any]:
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": form.robot_type,
        "total_episodes": len(episodes),
        "total_frames": sum(episode.length for episode in episodes),
        "total_tasks": tasks,
        "chunks_size": EPISODES_PER_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": form.fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": dict(form.features),
    }


def _write_table(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    pq.write_table(table, aside, compression="zstd")
    aside.replace(path)


def _write_json(content: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
