"""Reads an exported folder as somebody would who has only pyarrow and LeRobot's written schema."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictured_traces import REMARK, observation, pictured_run
from written_traces import story, ticks, told

from agent.demos.dataset import decode_image
from agent.exporting.stretch import Stretch, stretch_of
from agent.exporting.target import Target
from agent.exporting.targets import export
from bridge.errors import ConfigError

# LeRobot 0.6, lerobot/datasets/language.py: the fields of a row, and the styles of each column.
STYLES = {
    "language_persistent": {"subtask", "plan", "memory", "motion", "task_aug"},
    "language_events": {"interjection", "vqa", "trace"},
}
EVENT_TYPES = {
    "role": pa.string(),
    "content": pa.string(),
    "style": pa.string(),
    "camera": pa.string(),
    "tool_calls": pa.list_(pa.string()),
}
ROW_TYPES = {
    "language_persistent": EVENT_TYPES | {"timestamp": pa.float32()},
    "language_events": EVENT_TYPES,
}
DATA = "data/chunk-000/file-000.parquet"


@pytest.fixture(scope="module")
def folder(stretch: Stretch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The usual story as a dataset."""
    path = tmp_path_factory.mktemp("exported") / "dataset"
    written = export(stretch, Target.LEROBOT, path)
    assert (written["episodes"], written["frames_per_second"]) == (1, 10)
    return path


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of the first episode."""
    return pq.read_table(folder / DATA).to_pylist()


def info_of(folder: Path) -> dict[str, Any]:
    """The description that a reader opens first."""
    return json.loads((folder / "meta/info.json").read_text())


def test_every_column_is_described_and_of_its_type(folder: Path) -> None:
    """The features name the columns, in their order, and nothing else."""
    info, schema = info_of(folder), pq.read_schema(folder / DATA)
    assert info["codebase_version"] == "v3.0"
    assert list(info["features"]) == schema.names
    told_to_hugging_face = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(told_to_hugging_face) == schema.names
    assert info["features"]["observation.images.front"]["shape"] == [24, 32, 3]
    assert info["features"]["action"]["names"] == ["x", "y"]
    assert info["robot_type"] == "unknown"
    for name in STYLES:
        assert info["features"][name] == {"dtype": "language", "shape": [1], "names": None}
        row = schema.field(name).type.value_type
        assert {field.name: field.type for field in row} == ROW_TYPES[name]


def test_rows_hold_what_was_sensed_and_sent(folder: Path) -> None:
    """Numbers, pictures and times are those of the run."""
    rows = rows_of(folder)
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert [row["timestamp"] for row in rows] == pytest.approx(np.arange(len(rows)) / 10)
    for row in rows:
        number = round(row["observation.state"][0])
        seen = decode_image(row["observation.images.front"]["bytes"])
        assert np.array_equal(seen, observation(number).images["front"])
        assert row["observation.state"] == [number, 2 * number, 0.5]
        assert row["action"] == [0.5, -0.25]
    tasks = pq.read_table(folder / "meta/tasks.parquet").to_pylist()
    assert tasks == [{"task_index": 0, "task": "tidy up"}]
    subtasks = pq.read_table(folder / "meta/subtasks.parquet").to_pylist()
    assert subtasks == [{"subtask_index": 0, "subtask": "reach left"}]


def test_language_is_as_lerobot_wants_it(folder: Path) -> None:
    """What holds stands with every frame, what happens with one, each at the time of a frame."""
    rows = rows_of(folder)
    times = {row["timestamp"] for row in rows}
    said = rows[0]["language_persistent"]
    assert all(row["language_persistent"] == said for row in rows)
    assert [(each["style"], each["content"]) for each in said] == [
        ("plan", "1. reach left\nPLAN: left first"),
        ("subtask", "reach left"),
    ]
    assert all(each["timestamp"] in times for each in said)
    heard = [row["timestamp"] for row in rows if row["language_events"]]
    assert heard == pytest.approx([0.3])
    (remark,) = next(row["language_events"] for row in rows if row["language_events"])
    assert (remark["role"], remark["style"], remark["content"]) == (
        "user", "interjection", "the other one",
    )  # fmt: skip
    for row in rows:
        for column, styles in STYLES.items():
            for each in row[column]:
                assert each["style"] in styles
                # Both are for what is seen in a picture, and for tools.
                assert each["camera"] is None
                assert each["tool_calls"] is None


def test_what_was_done_is_remembered_until_there_is_more(tmp_path: Path) -> None:
    """After each subtask the memory says what was done so far."""
    moved = {"goal_id": "g", "reason": "", "trigger": "", "plan_id": "g.plan1", "thoughts": []}
    done = {"state": "done", "before": "active"} | moved
    events = [each for each in story(3.0) if not each["kind"].endswith("moved")]
    for number, name in enumerate(("left", "right")):
        ids = {"subtask_id": f"g.{number}", "text": f"reach {name}"}
        at_s = 0.6 + 0.4 * number
        begun = {"state": "active", "before": ""} | moved
        events.append(told(at_s, "planner", "subtask.moved", **ids, **begun))
        events.append(told(at_s + 0.3, "planner", "subtask.moved", **ids, **done))
    stretch = stretch_of(pictured_run(tmp_path / "a", events, end_s=3.0))
    export(stretch, Target.LEROBOT, tmp_path / "dataset")
    said = rows_of(tmp_path / "dataset")[0]["language_persistent"]
    memory = [each["content"] for each in said if each["style"] == "memory"]
    assert memory == ["reach left", "reach left; reach right"]
    assert [each["timestamp"] for each in said] == sorted(each["timestamp"] for each in said)


def test_each_goal_is_an_episode(tmp_path: Path) -> None:
    """Two goals are two episodes, and their rows are numbered without a gap."""
    second = [
        told(2.1, "mailbox", "goal", text="open it", id="h", source="test"),
        *(ticks(2.2 + number / 10) for number in range(5)),
    ]
    stretch = stretch_of(pictured_run(tmp_path / "a", [*story(2.0), *second, REMARK], end_s=2.7))
    written = export(stretch, Target.LEROBOT, tmp_path / "dataset")
    episodes = pq.read_table(tmp_path / "dataset/meta/episodes/chunk-000/file-000.parquet")
    assert written["episodes"] == info_of(tmp_path / "dataset")["total_episodes"] == 2
    first, then = episodes.to_pylist()
    assert (first["tasks"], then["tasks"]) == (["tidy up"], ["open it"])
    assert (first["success"], then["success"]) == (True, False)
    assert first["dataset_to_index"] == then["dataset_from_index"]
    assert then["dataset_to_index"] == written["frames"]


def test_one_for_an_older_lerobot_knows_no_language(stretch: Stretch, target: Path) -> None:
    """The two columns that LeRobot 0.4 cannot read are not there, and all others are."""
    export(stretch, Target.LEROBOT_04, target)
    names = pq.read_schema(target / DATA).names
    assert names == list(info_of(target)["features"])
    assert not set(STYLES) & set(names)
    assert {"action", "observation.state", "subtask_index"} <= set(names)


def test_a_run_without_actions_is_refused(tmp_path: Path) -> None:
    """A robot that was never sent anything leaves no dataset, and the reason is told."""
    events = [event for event in story() if event["kind"] != "control.ticks"]
    stretch = stretch_of(pictured_run(tmp_path / "a", events))
    for kind in (Target.LEROBOT, Target.HDF5):
        with pytest.raises(ConfigError, match="was sent no action for any of its 1 goals"):
            export(stretch, kind, tmp_path / "out")
    assert not (tmp_path / "out").exists()
