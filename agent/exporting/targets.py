"""Who turns a run into which kind of file."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from agent.exporting.placing import placed
from agent.exporting.stretch import OnProgress, Stretch
from agent.exporting.target import Target
from bridge.errors import ConfigError


class Writer(Protocol):
    """Writes a part of a run as one kind of file."""

    def __call__(self, stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
        """Write to a path where nothing is yet; returns what there is to know about it.

        Raises:
            ConfigError: The run lacks what this kind of file is made of.
            OSError: It cannot be written.
        """
        ...


class _Kind(NamedTuple):
    """`writer` as module:function; the extra brings `needs`, libraries that not everybody has."""

    suffix: str
    writer: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    is_ours: Callable[[Path], bool] = Path.is_file


def _is_dataset(path: Path) -> bool:
    return (path / "meta" / "info.json").is_file() and (path / "data").is_dir()


_KINDS = {
    Target.HTML: _Kind(".html", "agent.exporting.page:write_page"),
    Target.VIDEO: _Kind(".mp4", "agent.exporting.video:write_video", "sim", ("imageio_ffmpeg",)),
    Target.LEROBOT: _Kind(
        ".lerobot", "agent.exporting.lerobot:write_dataset", "train", ("pyarrow",), _is_dataset
    ),
    Target.LEROBOT_04: _Kind(
        ".lerobot",
        "agent.exporting.lerobot:write_plain_dataset",
        "train",
        ("pyarrow",),
        _is_dataset,
    ),
    Target.HDF5: _Kind(".hdf5", "agent.exporting.hdf5:write_hdf5", "hdf5", ("h5py",)),
    Target.RRD: _Kind(".rrd", "agent.exporting.rerun_file:write_rrd", "rerun", ("rerun",)),
    Target.THOUGHTS: _Kind(".thoughts.jsonl", "agent.exporting.thoughts:write_thoughts"),
}


def default_path(stretch: Stretch, target: Target) -> Path:
    """Where an export goes when nobody says: beside the trace, named after the run."""
    run = stretch.run
    return run.parts[0].file.with_name(f"{run.id}{_KINDS[target].suffix}")


def export(
    stretch: Stretch,
    target: Target,
    path: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda _done, _total: None,
) -> dict[str, Any]:
    """Turn a part of a run into a file, or a folder, which is whole or not there.

    Returns:
        What was written, for a program: `run`, `to`, `path`, `bytes`, `seconds`, and what this
        kind of file counts.

    Raises:
        ConfigError: It exists, cannot be written, lacks a library, or the run lacks what it needs.
    """
    kind = _KINDS[target]
    _check_libraries(target, kind)
    with placed(path, overwrite=overwrite, is_ours=kind.is_ours) as aside:
        facts = _load(kind.writer)(stretch, aside, on_progress)
    told = {"run": stretch.run.id, "to": str(target), "path": str(path), "bytes": _size_of(path)}
    return told | {"seconds": round(stretch.length_s, 3)} | facts


def _check_libraries(target: Target, kind: _Kind) -> None:
    for name in kind.needs:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"--to {target} needs {name}, which is not installed. Install it with: "
                f"pip install 'tandem-agent[{kind.extra}]'"
            ) from error


def _load(writer: str) -> Writer:
    module, _, name = writer.partition(":")
    return getattr(importlib.import_module(module), name)


def _size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
