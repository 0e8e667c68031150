"""Demonstrations on disk: a LeRobotDataset-v3 folder, one parquet file an episode.

An episode appears whole or not at all (written aside, then renamed), so recording can stop at any
moment and go on later. Any parquet reader opens it; images are PNG bytes in the row.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FPS = 20
EPISODES_PER_CHUNK = 1000
STATE_NAMES = (
    *(f"gripper_{axis}" for axis in ("x_m", "y_m", "z_m", "yaw_rad", "closing")),
    "gripper_contact",
    *(f"target_{axis}" for axis in ("x_m", "y_m", "z_m", "yaw_rad", "closing")),
)
ACTION_NAMES = ("x_m", "y_m", "z_m", "yaw_rad", "gripper_closing")
CAMERAS = ("front", "wrist")
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCENE_SCHEMA = pa.schema(
    [
        *((f"observation.images.{camera}", IMAGE_TYPE) for camera in CAMERAS),
        ("observation.state", pa.list_(pa.float32(), len(STATE_NAMES))),
        ("action", pa.list_(pa.float32(), len(ACTION_NAMES))),
        ("timestamp", pa.float32()),
        ("frame_index", pa.int64()),
        ("episode_index", pa.int64()),
        ("index", pa.int64()),
        ("task_index", pa.int64()),
        ("subtask", pa.string()),
        ("segment_index", pa.int64()),
        ("finished", pa.list_(pa.string())),
        ("is_subtask_done", pa.bool_()),
        ("is_hovering", pa.bool_()),
        ("disturbance", pa.string()),
        ("facts", pa.string()),
    ]
)


def encode_image(image: np.ndarray) -> dict[str, Any]:
    """Return uint8 ``[H, W, 3]`` as a Hugging Face image cell holding PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": None}


def decode_image(cell: bytes) -> np.ndarray:
    """Return PNG bytes as uint8 ``[H, W, 3]``."""
    with Image.open(io.BytesIO(cell)) as image:
        return np.asarray(image.convert("RGB"))


def episode_path(root: Path, episode: int) -> Path:
    """Return where episode number ``episode`` lies."""
    chunk, file = divmod(episode, EPISODES_PER_CHUNK)
    return root / "data" / f"chunk-{chunk:03d}" / f"file-{file:03d}.parquet"


def write_episode(
    root: Path,
    episode: int,
    rows: list[dict[str, Any]],
    info: dict[str, Any],
    schema: pa.Schema = SCENE_SCHEMA,
) -> None:
    """Write one finished episode; it is either wholly there afterwards or not at all."""
    table = pa.Table.from_pylist(rows, schema=schema)
    table = table.replace_schema_metadata({"tandem_episode": json.dumps(info)})
    write_rows(episode_path(root, episode), table)


def write_rows(path: Path, table: pa.Table) -> None:
    """Write the rows of an episode, aside and then into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    # Images are compressed already; zstd helps the rest.
    pq.write_table(table, aside, compression="zstd", use_dictionary=["subtask", "facts"])
    aside.replace(path)


def recorded_episodes(root: Path) -> list[int]:
    """Return the numbers of the episodes that are wholly on disk."""
    return sorted(
        int(path.parent.name[-3:]) * EPISODES_PER_CHUNK + int(path.stem[-3:])
        for path in root.glob("data/chunk-*/file-*.parquet")
    )


def read_episode(root: Path, episode: int) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows and the description of one episode."""
    table = pq.read_table(episode_path(root, episode))
    return table, json.loads(table.schema.metadata[b"tandem_episode"])


def read_info(root: Path, episode: int) -> dict[str, Any]:
    """Return the description of one episode, without reading the rows."""
    metadata = pq.read_schema(episode_path(root, episode)).metadata
    return json.loads(metadata[b"tandem_episode"])


def row_count(root: Path, episode: int) -> int:
    """Return how many frames an episode has, without reading them."""
    return pq.read_metadata(episode_path(root, episode)).num_rows


def read_infos(root: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and description of every episode, without reading the rows."""
    for episode in recorded_episodes(root):
        yield episode, read_info(root, episode)
