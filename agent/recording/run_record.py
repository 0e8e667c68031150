"""What is written of a run besides what happened: settings, seeds, versions and commit."""

import json
import platform
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, cast

# What decides how a run comes out, beside our own code.
_DISTRIBUTIONS = (
    "tandem-agent", "numpy", "torch", "transformers", "mujoco", "ray", "msgspec", "mcap", "vllm",
)  # fmt: skip
_SEED = "seed"


def about_run(settings_json: str) -> dict[str, str]:
    """The record of a run: `settings`, `seeds`, `versions` as JSON, and the `commit` if known.

    Args:
        settings_json: The whole configuration.
    """
    seeds = dict(_seeds(json.loads(settings_json)))
    return {
        "settings": settings_json,
        "seeds": json.dumps(seeds),
        "versions": json.dumps(dict(versions())),
        "commit": commit(Path(__file__).parents[2]),
    }


@cache
def versions() -> Mapping[str, str]:
    """Of what is installed here, of those that decide how a run comes out."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> str:
    """The commit that is checked out at a folder; empty where there is no checkout."""
    git = root / ".git"
    try:
        if git.is_file():
            # A worktree: the file says where its own folder is.
            git = root / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref:"):
            return head
        return _commit_of(git, head.removeprefix("ref:").strip())
    except OSError:
        return ""


def _commit_of(git: Path, ref: str) -> str:
    common = git / "commondir"
    shared = (git / common.read_text().strip()) if common.exists() else git
    for folder in (git, shared):
        if (folder / ref).exists():
            return (folder / ref).read_text().strip()
    packed = (shared / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")


def _seeds(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that is called a seed, by its dotted name."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _seeds(cast("dict[str, Any]", value), f"{before}{name}.")
        elif name == _SEED or name.endswith(f"_{_SEED}"):
            yield f"{before}{name}", value
