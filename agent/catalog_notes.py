"""What was learned of plug-ins the last time, so that a list of them imports nothing.

Importing a policy or an engine brings a whole network library with it, seconds for a few words. A
note is good for as long as no file of the plug-in's package has changed, nor any of those that say
what a plug-in is. It is a convenience: where it cannot be kept or read, the plug-in is imported.
"""

import contextlib
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.plugins import PluginInfo

_HERE = Path(__file__).parent
_DESCRIBERS = ("plugin_catalog.py", "spec_words.py", "catalog_notes.py")


class _Note(BaseModel):
    """What was said of a plug-in, and the state of the files it was learned from."""

    state: str
    said: dict[str, Any]


class _Notes(BaseModel):
    # A limit that is infinite must come back as that, not as null.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    notes: dict[str, _Note] = Field(default_factory=dict[str, _Note])


class CatalogNotes:
    """Notes in one file.

    Args:
        folder: Where it is; the user's cache folder if left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = (folder or _cache_folder()) / "plugins.json"
        self._notes = _read(self._file)
        self._states: dict[str, str] = {}
        self._is_changed = False

    def find(self, info: PluginInfo) -> dict[str, Any] | None:
        """What was said of the plug-in, if it still holds."""
        note = self._notes.notes.get(_key(info))
        return note.said if note and note.state == self._state(info) else None

    def note(self, info: PluginInfo, said: dict[str, Any]) -> None:
        """Remember what was said of the plug-in."""
        state = self._state(info)
        if state:
            self._notes.notes[_key(info)] = _Note(state=state, said=said)
            self._is_changed = True

    def save(self) -> None:
        """Write down what is new; where that is not allowed, it is found out again next time."""
        if not self._is_changed:
            return
        aside = self._file.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(self._notes.model_dump_json(), encoding="utf-8")
            aside.replace(self._file)

    def _state(self, info: PluginInfo) -> str:
        """A digest of every file that may have a say; empty if there are none to look at."""
        package = info.target.partition(":")[0].partition(".")[0]
        if package not in self._states:
            self._states[package] = _digest(package)
        return self._states[package]


def _digest(package: str) -> str:
    own = list(_python_files(package))
    if not own:
        return ""
    common = [_HERE / name for name in _DESCRIBERS]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted({*own, *common, *_python_files("bridge")}):
        status = path.stat()
        digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()


def _python_files(package: str) -> Iterable[Path]:
    """The files of a top-level module or package, which is not imported for that."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        yield from Path(folder).rglob("*.py")
    if spec.origin is not None and Path(spec.origin).is_file():
        yield Path(spec.origin)


def _read(file: Path) -> _Notes:
    try:
        return _Notes.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        # None yet, or not ours: there is nothing in it that cannot be found out again.
        return _Notes()


def _key(info: PluginInfo) -> str:
    return f"{info.name} {info.target} {info.distribution}"


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tandem-agent"
