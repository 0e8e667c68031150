"""Cases among real processes: one run takes faults until one ends it, then another is started."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from msgspec.structs import replace

from agent.faults.cases import FaultCase
from agent.faults.drill import drill_config, drill_graph
from agent.faults.judge import CaseResult
from agent.faults.kinds import KINDS
from agent.faults.playing import play
from agent.faults.process_hands import ProcessHands
from agent.runtime_ray import RayRuntime
from bridge.transports.segments import list_segments

# A removed segment cannot be put back, so what comes after needs a new run.
_SPOIL_THE_RUN = ("segment", "ray")
# A node that cannot return is given up after this many tries, so that the drill comes to an end.
_FEW_RESTARTS = ("runtime.max_restarts=2",)
_LAST_WORD_S = 5.0


def play_all_processes(cases: Sequence[FaultCase]) -> Iterator[CaseResult]:
    """Play the cases in turn; what spoils the run comes last, because each costs a start."""
    run: RayRuntime | None = None
    number = 0
    try:
        for case in sorted(cases, key=_spoils):
            if run is None or run.stopped_because or _spoils(case):
                _end(run)
                run = _started(*(_FEW_RESTARTS if _spoils(case) else ()))
            number += 1
            result = play(run, ProcessHands(run, number), case)
            if run.stopped_because:
                result = replace(result, left=_end(run))
                run = None
            yield result
    finally:
        _end(run)


def _spoils(case: FaultCase) -> bool:
    return KINDS[case.kind].how in _SPOIL_THE_RUN


def _started(*overrides: str) -> RayRuntime:
    run = RayRuntime(drill_graph(drill_config(*overrides)))
    run.start()
    return run


def _end(run: RayRuntime | None) -> str:
    """End a run; what it left behind, in words."""
    if run is None:
        return ""
    run.stop()
    here = os.getpid()
    _, processes = psutil.wait_procs(psutil.Process().children(recursive=True), _LAST_WORD_S)
    left = [
        *(f"process {process.pid} ({process.name()})" for process in processes),
        *(path.name for path in list_segments() if f"-{here}-" in path.name),
        *(str(path) for path in Path(tempfile.gettempdir()).glob(f"tandem-ray-{here}-*")),
    ]
    return ", ".join(left)
