"""Demonstrations as arrays on disk: decoded once, then read at memory speed in training."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

IMAGE_SIZE_PX = 96
FRAME_STRIDE = 2
CAMERAS = ("front", "wrist")
_PROGRESS_EVERY = 20


@dataclass(frozen=True)
class Frames:
    """All kept frames of all episodes.

    Rows at full rate (20 Hz): ``state [T, 11]``, ``action [T, 5]``, ``segment [T]``,
    ``is_hovering [T]``, ``subtask [T]``. Pictures at half rate: ``images[camera] [K, 96, 96, 3]``,
    picture ``k`` belonging to row ``row[k]``.

    ``skill [T]`` is what the demonstrator did: the subtask, unless only memory tells what that is;
    "" while it waited. ``light [T]`` is the number of the light that is on, from 1; 0 for none.
    """

    images: dict[str, np.ndarray]
    row: np.ndarray
    state: np.ndarray
    action: np.ndarray
    segment: np.ndarray
    is_hovering: np.ndarray
    episode: np.ndarray
    frame: np.ndarray
    subtask: list[str]
    skill: list[str]
    light: np.ndarray
    goal_text: dict[int, str]


def load_frames(
    sources: list[Path], cache: Path, on_progress: Callable[[int, int], None]
) -> Frames:
    """Return the frames of every dataset in ``sources``, decoding into ``cache`` the first time.

    Episodes of the second source are numbered on from the first, and so on. A segment in which the
    demonstrator got stuck is left out: nobody should learn it.
    """
    if not _is_decoded(cache):
        _decode(sources, cache, on_progress)
    rows, words = np.load(cache / "rows.npz"), _words(cache)
    images = {camera: np.load(cache / f"{camera}.npy", mmap_mode="r") for camera in CAMERAS}
    return Frames(
        images,
        rows["row"],
        rows["state"],
        rows["action"],
        rows["segment"],
        rows["is_hovering"],
        rows["episode"],
        rows["frame"],
        words["subtask"],
        words["skill"],
        rows["light"],
        {int(key): text for key, text in words["goal_text"].items()},
    )


def _is_decoded(cache: Path) -> bool:
    """Whether all is there; a cache of an older version lacks what was added later."""
    if not (cache / "rows.npz").is_file():
        return False
    with np.load(cache / "rows.npz") as rows:
        return "light" in rows.files and "skill" in _words(cache)


def _words(cache: Path) -> dict[str, Any]:
    return json.loads((cache / "words.json").read_text())


def _episode_files(sources: list[Path]) -> Iterator[tuple[int, Path]]:
    offset = 0
    for source in sources:
        files = sorted(source.glob("data/chunk-*/file-*.parquet"))
        for number, path in enumerate(files):
            yield offset + number, path
        offset += len(files)


def _decode(sources: list[Path], cache: Path, on_progress: Callable[[int, int], None]) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    files = list(_episode_files(sources))
    most = sum(pq.read_metadata(path).num_rows // FRAME_STRIDE + 1 for _, path in files)
    shape = (most, IMAGE_SIZE_PX, IMAGE_SIZE_PX, 3)
    images = {
        camera: np.lib.format.open_memmap(
            cache / f"{camera}.npy", mode="w+", dtype=np.uint8, shape=shape
        )
        for camera in CAMERAS
    }
    columns: dict[str, list[np.ndarray]] = {}
    subtasks: list[str] = []
    skills: list[str] = []
    goals: dict[int, str] = {}
    taken = total = 0
    for count, (episode, path) in enumerate(files):
        table = pq.read_table(path)
        info = json.loads(table.schema.metadata[b"tandem_episode"])
        goals[episode] = info["goal_text"]
        kept = _kept_rows(np.asarray(table["segment_index"]), info["stuck_segment"])
        for row in range(0, kept, FRAME_STRIDE):
            for camera in CAMERAS:
                cell = table[f"observation.images.{camera}"][row]["bytes"].as_py()
                with Image.open(io.BytesIO(cell)) as image:
                    images[camera][taken] = np.asarray(image)
            columns.setdefault("row", []).append(np.array([total + row]))
            taken += 1
        part = table.slice(0, kept)
        facts = _facts(part)
        for name, values in (
            ("state", np.array(part["observation.state"].to_pylist(), np.float32).reshape(-1, 11)),
            ("action", np.array(part["action"].to_pylist(), np.float32).reshape(-1, 5)),
            ("segment", np.asarray(part["segment_index"])),
            ("is_hovering", np.array(part["is_hovering"].to_pylist(), bool)),
            ("episode", np.full(kept, episode)),
            ("frame", np.arange(kept)),
            ("light", _lights(facts)),
        ):
            columns.setdefault(name, []).append(values)
        subtasks += part["subtask"].to_pylist()
        skills += _skills(part, facts)
        total += kept
        if count % _PROGRESS_EVERY == 0:
            on_progress(count, len(files))
    for memory in images.values():
        memory.flush()
    (cache / "words.json").write_text(
        json.dumps({"subtask": subtasks, "skill": skills, "goal_text": goals})
    )
    arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in columns.items()}
    np.savez(cache / "rows.npz", **arrays)


def _facts(part: pa.Table) -> list[dict[str, Any]]:
    if "facts" not in part.column_names:
        return [{}] * part.num_rows
    return [json.loads(facts) for facts in part["facts"].to_pylist()]


def _lights(facts: list[dict[str, Any]]) -> np.ndarray:
    lit = [each.get("lit", "") for each in facts]
    comes_on = [now not in {"", before} for now, before in zip(lit, ["", *lit], strict=False)]
    return np.where(np.array(lit, str) != "", np.cumsum(comes_on), 0).astype(np.int8)


def _skills(part: pa.Table, facts: list[dict[str, Any]]) -> list[str]:
    if facts and "skill" in facts[0]:
        return [each["skill"] for each in facts]
    moments = zip(part["subtask"].to_pylist(), part["is_hovering"].to_pylist(), strict=True)
    return ["" if is_hovering else subtask for subtask, is_hovering in moments]


def _kept_rows(segment: np.ndarray, stuck_segment: int | None) -> int:
    return len(segment) if stuck_segment is None else int((segment < stuck_segment).sum())
