"""What a long benchmark says while it runs."""

import sys

from agent.evaluation.grid import Cell
from agent.evaluation.records import EpisodeRecord


def tell_cell(cell: Cell, record: EpisodeRecord, done: int, total: int) -> None:
    """One line an episode, on standard error."""
    time_s = record.time_to_finish_s
    took = f"{time_s:.1f} s" if time_s is not None else record.reason
    print(f"{done:>4}/{total} {cell.name}: {took}", file=sys.stderr, flush=True)
