"""Cases among real processes: one run takes faults until one ends it, then another is started."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from agent.faults.cases import FaultCase
from agent.faults.drill import drill_config, recorded_drill_graph
from agent.faults.judge import CaseResult
from agent.faults.kinds import KINDS
from agent.faults.leftovers import children, left_behind, untraced
from agent.faults.playing import play
from agent.faults.process_hands import ProcessHands
from agent.runtime_ray import RayRuntime

# What was removed cannot be put back, so what comes after needs a new run.
_SPOIL_THE_RUN = ("segment", "disk", "ray")
# A node that cannot return is given up after this many tries, so that the drill comes to an end.
_FEW_RESTARTS = ("runtime.max_restarts=2",)


def play_all_processes(cases: Sequence[FaultCase]) -> Iterator[CaseResult]:
    """Play the cases in turn; what spoils the run comes last, because each costs a start."""
    waiting = sorted(cases, key=_spoils)
    while waiting:
        with tempfile.TemporaryDirectory(prefix="tandem-faults-") as folder:
            batch = _Batch(Path(folder), spoils=_spoils(waiting[0]))
            yield from batch.play(waiting)


class _Batch:
    """One run, from its start to its end, and the faults that it takes."""

    def __init__(self, folder: Path, *, spoils: bool) -> None:
        self._folder = folder
        self._spoils = spoils
        self._before = children()
        config = drill_config(*(_FEW_RESTARTS if spoils else ()))
        self._run = RayRuntime(recorded_drill_graph(config, folder))

    def play(self, waiting: list[FaultCase]) -> Iterator[CaseResult]:
        """Take cases off the list until the run has to end; the last result tells of its end."""
        result: CaseResult | None = None
        try:
            self._run.start()
            number = 0
            while waiting and not self._run.stopped_because and self._takes(waiting[0], number):
                if result is not None:
                    yield result
                number += 1
                result = play(self._run, ProcessHands(self._run, number), waiting.pop(0))
        finally:
            self._run.stop()
        if result is not None:
            yield self._with_its_end(result)

    def _takes(self, case: FaultCase, number: int) -> bool:
        """Whether this run is of use for a case: one that spoils it has a run for itself."""
        return number == 0 or not (self._spoils or _spoils(case))

    def _with_its_end(self, result: CaseResult) -> CaseResult:
        left = left_behind(self._before)
        if result.case.kind != "disk_full":
            left = left or untraced(self._run.incidents, self._folder)
        return replace(result, left=left)


def _spoils(case: FaultCase) -> bool:
    return KINDS[case.kind].how in _SPOIL_THE_RUN
