import errno
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.exporting.placing import placed
from agent.exporting.stretch import Stretch
from agent.exporting.target import Target
from agent.exporting.targets import export
from bridge.errors import ConfigError


def test_what_is_there_is_replaced_only_when_that_was_asked_for(tmp_path: Path) -> None:
    """A file that exists stays as it was, unless it may be overwritten."""
    target = tmp_path / "run.html"
    target.write_text("mine")
    with pytest.raises(ConfigError, match="exists"), placed(target, overwrite=False):
        pytest.fail("it was written")
    assert target.read_text() == "mine"
    with placed(target, overwrite=True) as aside:
        aside.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_write_that_ends_early_leaves_nothing(
    tmp_path: Path, error: BaseException, *, is_there: bool
) -> None:
    """A full disk or Ctrl-C leaves what was there before, and nothing half-written beside it."""
    target = tmp_path / "run"
    if is_there:
        target.write_text("mine")
    before = list(tmp_path.iterdir())

    def write() -> None:
        with placed(target, overwrite=True) as aside:
            (aside / "data").mkdir(parents=True)
            raise error

    with pytest.raises((ConfigError, KeyboardInterrupt)):
        write()
    assert list(tmp_path.iterdir()) == before
    assert not is_there or target.read_text() == "mine"


def test_a_folder_is_replaced_whole_and_only_by_its_kind(tmp_path: Path) -> None:
    """Nothing of the old one is left in the new, and a folder of something else is not touched."""
    target = tmp_path / "dataset"
    (target / "old").mkdir(parents=True)
    with (
        pytest.raises(ConfigError, match="nothing that an export of this kind"),
        placed(target, overwrite=True, is_ours=lambda path: (path / "new").exists()),
    ):
        pytest.fail("it was written")
    with placed(target, overwrite=True, is_ours=Path.is_dir) as aside:
        (aside / "new").mkdir(parents=True)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_who_was_faster_wins(tmp_path: Path) -> None:
    """What appears under the name while something is written is not overwritten either."""
    target = tmp_path / "run.html"

    def write() -> None:
        with placed(target, overwrite=False) as aside:
            aside.write_text("new")
            target.write_text("theirs")

    with pytest.raises(ConfigError, match="exists"):
        write()
    assert target.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [target]


@contextmanager
def largest_file(size_bytes: int) -> Generator[None]:
    """Let the system refuse what would make any file larger, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", list(Target))
def test_no_kind_of_export_is_left_half_written(
    stretch: Stretch, tmp_path: Path, kind: Target
) -> None:
    """Whatever is written, a disk that takes no more leaves no file, and one sentence."""
    export(stretch, kind, tmp_path / "whole")
    size = max(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    with largest_file(size // 2), pytest.raises(ConfigError, match=r"run cannot be written: .*\."):
        export(stretch, kind, tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
