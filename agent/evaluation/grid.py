"""The same episodes under several settings: a cell for each, side by side in one table."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import AgentConfig
from agent.evaluation.records import EpisodeRecord
from agent.evaluation.runner import Evaluation, evaluate
from agent.evaluation.statistics import summarize
from bridge.errors import ConfigError

Row = dict[str, Any]
Progress = Callable[["Cell", EpisodeRecord, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting: what tells it from the others, in words and figures, and the agent."""

    labels: Mapping[str, str | float]
    config: AgentConfig

    @property
    def name(self) -> str:
        """The labels in one word, for a file."""
        words = [
            value if isinstance(value, str) else f"{key}-{value:g}"
            for key, value in self.labels.items()
        ]
        return re.sub(r"[^\w.+=-]", "_", "--".join(words))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is to be compared: cells over the same `episodes` of a suite's seed."""

    suite: str
    episodes: int
    seed: int
    cells: Sequence[Cell]

    def evaluation(self, cell: Cell) -> Evaluation:
        """What one cell measures."""
        return Evaluation(
            suite=self.suite, episodes=self.episodes, seed=self.seed, config=cell.config
        )


def run_grid(
    grid: Grid,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> list[tuple[Cell, list[EpisodeRecord]]]:
    """Run what is missing of a grid, cell by cell, and return all of its episodes.

    Args:
        grid: What to compare.
        folder: Where episodes are kept: a book for each cell, named after its labels.
        workers: Processes, as for `evaluate`.
        resume: Go on with what the books hold.
        on_progress: Called with each new episode and its cell, how many there are now in the whole
            grid, and how many there are to be.

    Raises:
        ConfigError: Two cells have one name, or there are episodes already and no resuming.
        TandemError: As for `evaluate`; what has ended is kept.
    """
    books = {cell.name: folder / f"{cell.name}.jsonl" for cell in grid.cells}
    if len(books) < len(grid.cells):
        raise ConfigError("Two of the settings to compare are the same: name each only once.")
    _check_fresh(list(books.values()), resume=resume)
    total, ended = grid.episodes * len(grid.cells), 0
    results: list[tuple[Cell, list[EpisodeRecord]]] = []
    for cell in grid.cells:

        def note(
            record: EpisodeRecord, done: int, of: int, cell: Cell = cell, before: int = ended
        ) -> None:
            del of
            if on_progress is not None:
                on_progress(cell, record, before + done, total)

        records = evaluate(
            grid.evaluation(cell),
            books[cell.name],
            workers=workers,
            resume=resume,
            on_progress=note,
        )
        ended += len(records)
        results.append((cell, records))
    return results


def grid_rows(grid: Grid, results: Sequence[tuple[Cell, list[EpisodeRecord]]]) -> list[Row]:
    """The figures of each cell, beside what tells it from the others; ready for JSON."""
    return [
        {
            **cell.labels,
            **summarize(records),
            "settings_id": grid.evaluation(cell).settings_id,
        }
        for cell, records in results
    ]


def _check_fresh(books: Sequence[Path], *, resume: bool) -> None:
    kept = [book for book in books if book.is_file() and book.stat().st_size]
    if kept and not resume:
        raise ConfigError(
            f"{kept[0].parent} holds episodes already, of {len(kept)} settings. Go on with "
            "--resume, remove the folder, or choose another --json."
        )
