"""Puts what is exported where it was asked for: whole or not at all."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import ConfigError


@contextmanager
def placed(
    target: Path, *, overwrite: bool, is_ours: Callable[[Path], bool] = Path.is_file
) -> Generator[Path]:
    """Give a path beside the target to write to; once that went well it gets the target's name.

    Whatever goes wrong in between, Ctrl-C included, leaves the target as it was and nothing beside
    it; after a `kill -9` a file `.partial-…` is left beside it.

    Args:
        target: Where the file or folder shall be.
        overwrite: Whether it may be there already.
        is_ours: Whether what is there is of the kind that is written, so that it may be replaced.

    Raises:
        ConfigError: It is there already, or cannot be written.
    """
    _check(target, overwrite=overwrite, is_ours=is_ours)
    aside = target.with_name(f".partial-{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(aside)
        yield aside
        _check(target, overwrite=overwrite, is_ours=is_ours)
        _swap(aside, target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        _remove(aside)


def _check(target: Path, *, overwrite: bool, is_ours: Callable[[Path], bool]) -> None:
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise ConfigError(f"{target} exists. Choose another --out, or replace it with --overwrite.")
    if not is_ours(target):
        raise ConfigError(
            f"{target} exists and is nothing that an export of this kind has written: it is not "
            "overwritten. Choose another --out."
        )


def _swap(aside: Path, target: Path) -> None:
    """Take the target's place; a folder cannot be replaced in one step, a file can."""
    if not target.is_dir():
        aside.replace(target)
        return
    before = target.with_name(f".replaced-{os.getpid()}-{target.name}")
    target.rename(before)
    try:
        aside.rename(target)
    except OSError:
        before.rename(target)
        raise
    shutil.rmtree(before)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
