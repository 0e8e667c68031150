import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.catalog_notes import CatalogNotes
from agent.plugin_catalog import read_catalog
from bridge.plugins import PluginInfo

NAME = "noted_plugin"
INFO = PluginInfo(NAME, f"{NAME}:Plugin", NAME)
SAID = {"what": "Something.", "most": float("inf")}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plug-in of one file that can be found."""
    file = tmp_path / f"{NAME}.py"
    file.write_text("raise RuntimeError('nobody may import this')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return file


def noted(folder: Path) -> CatalogNotes:
    """Notes about the plug-in, written and read again."""
    notes = CatalogNotes(folder)
    notes.note(INFO, SAID)
    notes.save()
    return CatalogNotes(folder)


def test_what_was_said_is_found_again_without_an_import(module: Path, tmp_path: Path) -> None:
    """A note of another process holds as long as nothing has changed."""
    assert noted(tmp_path / "cache").find(INFO) == SAID
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["plugins.json"]
    assert NAME not in sys.modules


def test_a_note_ends_with_a_change_of_a_file(module: Path, tmp_path: Path) -> None:
    """An author who edits a plug-in sees the new options at once."""
    folder = tmp_path / "cache"
    assert noted(folder).find(INFO) == SAID
    os.utime(module, ns=(1, 1))
    assert CatalogNotes(folder).find(INFO) is None
    assert noted(folder).find(INFO._replace(target=f"{NAME}:Other")) is None


def test_what_is_not_there_is_not_noted(tmp_path: Path) -> None:
    """Nothing is remembered of a module that nobody can find."""
    assert noted(tmp_path).find(INFO) is None


@pytest.mark.parametrize("text", ["", "rubbish", '{"notes": {"a": 1}}'])
def test_a_spoilt_file_is_as_good_as_none(module: Path, tmp_path: Path, text: str) -> None:
    """What is no note is found out again."""
    (tmp_path / "plugins.json").write_text(text, encoding="utf-8")
    assert CatalogNotes(tmp_path).find(INFO) is None
    assert noted(tmp_path).find(INFO) == SAID


def test_where_nothing_may_be_written_nothing_is_kept(module: Path, tmp_path: Path) -> None:
    """A list works without a place for notes."""
    assert noted(tmp_path / f"{NAME}.py" / "cache").find(INFO) is None


def test_the_second_list_imports_no_network_library(tmp_path: Path) -> None:
    """It says the same, and what is heavy was imported once."""
    folder = tmp_path / "tandem-agent"
    first, second = (read_catalog(notes=CatalogNotes(folder)) for _ in range(2))
    assert [each.model_dump_json() for each in second] == [each.model_dump_json() for each in first]
    program = (
        "import sys; from agent.plugin_catalog import read_catalog; read_catalog(); "
        "print(','.join({'torch', 'transformers', 'gymnasium'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "\n"
